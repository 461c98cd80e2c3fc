//! Checks that one query each can answer: every row it returns is a breach, told in one text column.

use sqlx::PgPool;

use super::{Check, VerifyOptions};
use crate::StoreError;

/// A query that returns breaches. All get the lease in seconds as `$1` and the highest possible attempt as `$2`.
struct RowCheck {
    id: &'static str,
    description: &'static str,
    sql: &'static str,
}

const CHECKS: &[RowCheck] = &[
    RowCheck {
        id: "V1",
        description: "a dataset that is being worked on has a live job; a source is READ ONLY only while it has one",
        sql: "select 'dataset ' || d.id || ' is ' || d.status || ' and has no live job' from datasets d \
              where $1 > 0 and $2 > 0 and d.deleted_at is null and d.status in ('INDEXING', 'READ ONLY') \
              and not exists (select from jobs j join job_states s on s.job_id = j.id \
                  where s.state in ('queued', 'running') and (j.subject_id = d.id or j.subject_id in \
                  (select copy.id from datasets copy where copy.source_dataset_id = d.id)))",
    },
    RowCheck {
        id: "V2",
        description: "media are the files that were taken, one each, and ordinals are 0..n-1",
        sql: "with complete as (select * from datasets where $1 > 0 and $2 > 0 and deleted_at is null \
                  and status in ('READY', 'PARTIAL INDEX')), \
              found as (select d.id, d.n_images, count(m.id) as n, min(m.ordinal) as low, max(m.ordinal) as high, \
                  count(m.id) filter (where m.media_type = 'image') as images \
                  from complete d left join media m on m.dataset_id = d.id group by d.id, d.n_images), \
              items as (select s.dataset_id, s.batch, count(*) filter (where s.state = 'pending') as pending \
                  from source_items s join complete d on d.id = s.dataset_id group by s.dataset_id, s.batch) \
              select 'dataset ' || id || ': ' || n || ' media with ordinals ' || low || '..' || high \
                  from found where n > 0 and (low <> 0 or high <> n - 1) \
              union all select 'dataset ' || id || ' says ' || n_images || ' pictures and has ' || images \
                  from found where n_images <> images \
              union all select 'dataset ' || dataset_id || ' is complete with ' || pending || ' files pending' \
                  from items where pending > 0 \
              union all select 'dataset ' || i.dataset_id || ' batch ' || i.batch || ': media differ from the files taken' \
                  from items i where exists ( \
                  (select content_id, file_name, original_uri from media where dataset_id = i.dataset_id and batch = i.batch \
                   except all select content_id, file_name, original_uri from source_items \
                   where dataset_id = i.dataset_id and batch = i.batch and state = 'done') \
                  union all \
                  (select content_id, file_name, original_uri from source_items \
                   where dataset_id = i.dataset_id and batch = i.batch and state = 'done' \
                   except all select content_id, file_name, original_uri from media \
                   where dataset_id = i.dataset_id and batch = i.batch)) \
              union all select 'dataset ' || d.id || ': ' || count(o.id) || ' objects with ordinals ' || min(o.ordinal) || '..' || max(o.ordinal) \
                  || ', it says ' || d.n_objects \
                  from complete d left join objects o on o.dataset_id = d.id group by d.id, d.n_objects \
                  having count(o.id) <> d.n_objects or count(o.id) > 0 and (min(o.ordinal) <> 0 or max(o.ordinal) <> count(o.id) - 1) \
              union all select 'dataset ' || d.id || ' shows content ' || c.id || ' of another owner' \
                  from datasets d join media m on m.dataset_id = d.id join contents c on c.id = m.content_id \
                  where c.owner_id <> d.owner_id",
    },
    RowCheck {
        id: "V3",
        description: "every item of a READY dataset has exactly one output in each of its spaces, of the right length, or a \
                      row that says why not; every caption has a vector, and its words can be searched",
        sql: "with ready as (select * from datasets where $1 > 0 and $2 > 0 and deleted_at is null and status = 'READY') \
              select 'dataset ' || d.id || ' has media and no INDEX space' from ready d where n_images > 0 and not exists \
                  (select from dataset_spaces s where s.dataset_id = d.id and s.entity_type = 'IMAGES' and s.space = 'INDEX') \
              union all select 'dataset ' || d.id || ' space ' || s.space || ': ' || count(*) || ' media without a usable vector' \
                  from ready d join dataset_spaces s on s.dataset_id = d.id and s.entity_type = 'IMAGES' and s.space <> 'CAPTION_TEXT' \
                  join media m on m.dataset_id = d.id left join outputs o \
                  on o.content_id = m.content_id and o.package = s.package and o.parameters = s.parameters \
                  where octet_length(o.vector) is distinct from s.dimension * 2 and not (o.vector is null and s.space <> 'INDEX' \
                  and exists (select from enrichment_failures f where f.dataset_id = d.id and f.enrichment_type = s.space \
                  and f.entity_id = m.id)) group by d.id, s.space \
              union all select 'dataset ' || d.id || ' space OBJECTS/' || s.space || ': ' || count(*) || ' objects without a usable vector' \
                  from ready d join dataset_spaces s on s.dataset_id = d.id and s.entity_type = 'OBJECTS' and s.space <> 'CAPTION_TEXT' \
                  join objects b on b.dataset_id = d.id left join region_outputs o \
                  on o.region_id = b.region_id and o.package = s.package and o.parameters = s.parameters \
                  where octet_length(o.vector) is distinct from s.dimension * 2 and not (o.vector is null and s.space <> 'INDEX' \
                  and exists (select from enrichment_failures f where f.dataset_id = d.id and f.enrichment_type = s.space \
                  and f.entity_id = b.id)) group by d.id, s.space \
              union all select 'dataset ' || d.id || ': ' || count(*) || ' captions of ' || s.entity_type || ' without a usable vector' \
                  from ready d join dataset_spaces s on s.dataset_id = d.id and s.space = 'CAPTION_TEXT' \
                  join captions c on c.dataset_id = d.id and c.entity_type = s.entity_type left join text_vectors v \
                  on v.owner_id = d.owner_id and v.text_sha256 = c.text_sha256 and v.package = s.package and v.parameters = s.parameters \
                  where octet_length(v.vector) is distinct from s.dimension * 2 group by d.id, s.entity_type \
              union all select 'dataset ' || d.id || ': ' || count(*) || ' captions of ' || c.entity_type || ' without searchable words' \
                  from ready d join captions c on c.dataset_id = d.id where not exists (select from caption_texts t \
                  where t.dataset_id = c.dataset_id and t.entity_type = c.entity_type and t.text_sha256 = c.text_sha256) \
                  group by d.id, c.entity_type \
              union all select 'dataset ' || d.id || ' has objects whose box lies in another picture' \
                  from ready d where exists (select from objects b join media m on m.id = b.media_id \
                  join regions r on r.id = b.region_id where b.dataset_id = d.id and r.content_id <> m.content_id)",
    },
    RowCheck {
        id: "V7",
        description: "no chunk is forgotten, attempts stay below their limit, a dataset being indexed has exactly one live job",
        sql: "select 'chunk ' || c.id || ' has been without its worker for ' || round(extract(epoch from now() - c.lease_expires_at)) || ' s' \
                  from job_chunks c join job_states s on s.job_id = c.job_id \
                  where s.state in ('queued', 'running') and c.state = 'running' \
                  and c.lease_expires_at < now() - make_interval(secs => 2 * $1) \
              union all select 'chunk ' || c.id || ' was tried ' || c.attempt || ' times' from job_chunks c where c.attempt > $2 \
              union all select 'job ' || s.job_id || ' is live and has no open chunk in phase ' || s.phase from job_states s \
                  where s.state in ('queued', 'running') and not exists (select from job_chunks c \
                  where c.job_id = s.job_id and c.phase = s.phase and c.state in ('ready', 'running')) \
              union all select 'dataset ' || d.id || ' is INDEXING with ' || count(s.job_id) || ' live jobs' from datasets d \
                  left join jobs j on j.subject_id = d.id \
                  left join job_states s on s.job_id = j.id and s.state in ('queued', 'running') \
                  where d.deleted_at is null and d.status = 'INDEXING' group by d.id having count(s.job_id) <> 1",
    },
    RowCheck {
        id: "V8",
        description: "progress is 100 exactly when the content is complete",
        sql: "select 'dataset ' || id || ' is ' || status || ' at ' || progress from datasets \
              where $1 > 0 and $2 > 0 and deleted_at is null \
              and (progress = 100) <> (status in ('READY', 'PARTIAL INDEX', 'READ ONLY'))",
    },
];

pub(super) async fn checks(
    pool: &PgPool,
    options: &VerifyOptions,
) -> Result<Vec<Check>, StoreError> {
    let mut done = Vec::with_capacity(CHECKS.len());
    for row_check in CHECKS {
        let mut check = Check::new(row_check.id, row_check.description);
        let breaches: Vec<String> = sqlx::query_scalar(row_check.sql)
            .bind(options.lease.as_secs_f64())
            .bind(options.max_attempts + 2)
            .fetch_all(pool)
            .await?;
        breaches.into_iter().for_each(|breach| check.breach(breach));
        done.push(check);
    }
    Ok(done)
}
