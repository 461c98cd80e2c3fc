//! Rows of an import become labels, captions and objects of the dataset.

use lamina_types::{DatasetId, SpaceKey};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::annotations::AnnotationSource;

/// What was taken over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Boxes that became objects.
    pub boxes: u64,
    /// Labels of whole pictures.
    pub labels: u64,
    /// Captions.
    pub captions: u64,
}

/// Gives a problem to rows whose box has no vector of `key`: their picture could not be read or gave none.
///
/// # Errors
/// The database.
pub async fn drop_without_vector(
    conn: &mut PgConnection,
    id: Uuid,
    key: &SpaceKey,
) -> Result<u64, StoreError> {
    let sql = "update annotation_rows r set problem = 'the box could not be cut out of its picture' \
               where r.import_id = $1 and r.region_id is not null and r.problem is null and not exists \
               (select from region_outputs v where v.region_id = r.region_id and v.package = $2 and v.parameters = $3 \
               and v.vector is not null)";
    Ok(sqlx::query(sql)
        .bind(id)
        .bind(&key.package)
        .bind(&key.parameters)
        .execute(conn)
        .await?
        .rows_affected())
}

/// The captions that an import brings.
///
/// # Errors
/// The database.
pub async fn captions(conn: &mut PgConnection, id: Uuid) -> Result<Vec<String>, StoreError> {
    let sql = "select distinct caption from annotation_rows where import_id = $1 and caption is not null and problem is null \
               order by caption";
    Ok(sqlx::query_scalar(sql).bind(id).fetch_all(conn).await?)
}

/// Takes over every row without a problem, in order: boxes become objects behind those that are there, unless the same box of the
/// same picture has that label already; labels and captions become a user's, the last caption of a picture counts. Doing it
/// again changes nothing. Must run in a transaction.
///
/// # Errors
/// The database.
pub async fn take(
    conn: &mut PgConnection,
    dataset: DatasetId,
    id: Uuid,
) -> Result<Taken, StoreError> {
    let user = AnnotationSource::User.as_str();
    let named = "update annotation_rows r set object_id = gen_random_uuid() \
                 where r.import_id = $1 and r.region_id is not null and r.problem is null and r.object_id is null";
    sqlx::query(named).bind(id).execute(&mut *conn).await?;
    let objects = "insert into objects (id, dataset_id, ordinal, media_id, region_id, label, source, original_id) \
                   select f.object_id, $1, first.ordinal + (row_number() over (order by f.n))::integer - 1, f.media_id, \
                   f.region_id, f.label, $3, f.original_id from \
                   (select distinct on (r.media_id, r.region_id, r.label) r.* from annotation_rows r \
                   where r.import_id = $2 and r.region_id is not null and r.problem is null \
                   order by r.media_id, r.region_id, r.label, r.n) f, \
                   (select coalesce(max(ordinal) + 1, 0) as ordinal from objects where dataset_id = $1) first \
                   where not exists (select from objects o where o.dataset_id = $1 and o.media_id = f.media_id \
                   and o.region_id = f.region_id and o.label = f.label and o.source = $3)";
    sqlx::query(objects)
        .bind(dataset.as_uuid())
        .bind(id)
        .bind(user)
        .execute(&mut *conn)
        .await?;
    let labels = "insert into labels (dataset_id, media_id, name, source, original_id) \
                  select distinct on (r.media_id, r.label) $1, r.media_id, r.label, $3, r.original_id from annotation_rows r \
                  where r.import_id = $2 and r.area is null and r.label is not null and r.problem is null \
                  order by r.media_id, r.label, r.n on conflict do nothing";
    sqlx::query(labels)
        .bind(dataset.as_uuid())
        .bind(id)
        .bind(user)
        .execute(&mut *conn)
        .await?;
    let captions = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
                    select distinct on (r.media_id) $1, 'IMAGES', r.media_id, $3, r.caption from annotation_rows r \
                    where r.import_id = $2 and r.area is null and r.caption is not null and r.problem is null \
                    order by r.media_id, r.n desc \
                    on conflict (dataset_id, entity_type, entity_id, source) do update set caption = excluded.caption";
    sqlx::query(captions)
        .bind(dataset.as_uuid())
        .bind(id)
        .bind(user)
        .execute(&mut *conn)
        .await?;
    let counts = "select count(*) filter (where region_id is not null), \
                  count(*) filter (where area is null and label is not null), \
                  count(*) filter (where area is null and caption is not null) \
                  from annotation_rows where import_id = $1 and problem is null";
    let (boxes, labels, captions): (i64, i64, i64) =
        sqlx::query_as(counts).bind(id).fetch_one(conn).await?;
    Ok(Taken {
        boxes: boxes.unsigned_abs(),
        labels: labels.unsigned_abs(),
        captions: captions.unsigned_abs(),
    })
}
