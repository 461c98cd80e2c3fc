//! The rows of a copy, by insert-select from its source: fresh ids, the same ordinals, everything else by reference. A snapshot
//! remembers the ids of tags, fields and objects, and a dataset that goes back to it has them again.
//!
//! Contents, outputs, regions and generation files are shared; media, labels, captions, tags, custom metadata, objects and the published
//! generations of a dataset are rows of its own. What is about to be made anew is left out.

use lamina_types::{DatasetId, EnrichmentType, EntityType, Space};
use sqlx::PgConnection;

use crate::annotations::AnnotationSource;
use crate::{StoreError, custom_fields};

/// What a copy does not take over from its source, because the run makes it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    image_captions: bool,
    objects: bool,
    object_captions: bool,
    labels: bool,
    image_vectors: bool,
    object_vectors: bool,
}

impl LeftOut {
    /// What these types make anew. New objects leave nothing standing of what was said about the old ones.
    pub fn of(types: &[EnrichmentType]) -> Self {
        let has = |kind| types.contains(&kind);
        let objects = has(EnrichmentType::ObjectDetection);
        Self {
            image_captions: has(EnrichmentType::CaptionImages),
            objects,
            object_captions: objects || has(EnrichmentType::CaptionObjects),
            labels: has(EnrichmentType::ImageTagging),
            image_vectors: has(EnrichmentType::MultimodelImageEncoding),
            object_vectors: objects || has(EnrichmentType::MultimodelObjectEncoding),
        }
    }

    /// The types whose entry in the list of applied models is not taken over.
    fn types(self) -> Vec<&'static str> {
        let types = [
            (self.image_captions, EnrichmentType::CaptionImages),
            (self.objects, EnrichmentType::ObjectDetection),
            (self.object_captions, EnrichmentType::CaptionObjects),
            (self.labels, EnrichmentType::ImageTagging),
            (self.image_vectors, EnrichmentType::MultimodelImageEncoding),
            (
                self.object_vectors,
                EnrichmentType::MultimodelObjectEncoding,
            ),
        ];
        let left_out = types.into_iter().filter(|(is_left_out, _)| *is_left_out);
        left_out.map(|(_, kind)| kind.as_str()).collect()
    }

    /// `entity type/space` of the vector spaces that are not taken over.
    fn spaces(self) -> Vec<String> {
        use EntityType::{Images, Objects};
        let spaces = [
            (self.image_captions, Images, Space::CaptionText),
            (self.image_vectors, Images, Space::MultimodelImage),
            (self.objects, Objects, Space::Index),
            (self.object_captions, Objects, Space::CaptionText),
            (self.object_vectors, Objects, Space::MultimodelObject),
        ];
        let left_out = spaces.into_iter().filter(|(is_left_out, ..)| *is_left_out);
        left_out
            .map(|(_, entity, space)| format!("{entity}/{space}"))
            .collect()
    }
}

/// Which ids tags, fields and objects of a copy have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    /// New ones.
    Fresh,
    /// New ones, and each row knows that of the row it was copied from: a snapshot.
    Remembered,
    /// Those that the rows of the source know, whose bearers are gone: the way back from a snapshot.
    Restored,
}

impl Ids {
    /// Whether rows remember what they were copied from.
    pub(crate) const fn are_remembered(self) -> bool {
        matches!(self, Self::Remembered)
    }

    /// Whether rows get the ids that their sources remember.
    pub(crate) const fn are_restored(self) -> bool {
        matches!(self, Self::Restored)
    }
}

/// Fills the empty dataset `copy` with the rows of `source`; number of media. Must run in one transaction: there is no
/// half copy.
///
/// # Errors
/// Conflict when the copy has rows already.
pub async fn fill(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
) -> Result<u64, StoreError> {
    fill_with(conn, source, copy, left_out, Ids::Fresh).await
}

/// As [`fill`] of everything, for a snapshot.
///
/// # Errors
/// As [`fill`].
pub(crate) async fn remember(
    conn: &mut PgConnection,
    source: DatasetId,
    snapshot: DatasetId,
) -> Result<u64, StoreError> {
    let everything = LeftOut::of(&[]);
    fill_with(conn, source, snapshot, everything, Ids::Remembered).await
}

async fn fill_with(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
    ids: Ids,
) -> Result<u64, StoreError> {
    plan_by_sets(conn).await?;
    let media = media(conn, source, copy).await?;
    beside_media(conn, source, copy, left_out, ids).await?;
    fail::fail_point!("copy_filled", |_| Err(StoreError::Database {
        class: crate::ErrorClass::Unavailable,
        constraint: None,
        source: sqlx::Error::WorkerCrashed,
    }));
    Ok(media)
}

/// Replaces everything but the media of a dataset by what its snapshot has, whose media have the same ordinals. Tags, fields and
/// objects get the ids that they had. Must run in one transaction.
///
/// # Errors
/// The database.
pub(crate) async fn refill(
    conn: &mut PgConnection,
    source: DatasetId,
    dataset: DatasetId,
) -> Result<(), StoreError> {
    for sql in [
        "delete from objects where dataset_id = $1",
        "delete from labels where dataset_id = $1",
        "delete from captions where dataset_id = $1",
        "delete from caption_texts where dataset_id = $1",
        "delete from tags where dataset_id = $1",
        "delete from custom_fields where dataset_id = $1",
        "delete from enrichment_failures where dataset_id = $1",
        "delete from dataset_spaces where dataset_id = $1",
        "delete from applied_models where dataset_id = $1",
    ] {
        sqlx::query(sql)
            .bind(dataset.as_uuid())
            .execute(&mut *conn)
            .await?;
    }
    plan_by_sets(conn).await?;
    beside_media(conn, source, dataset, LeftOut::of(&[]), Ids::Restored).await
}

async fn beside_media(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
    ids: Ids,
) -> Result<(), StoreError> {
    labels(conn, source, copy, left_out).await?;
    tags(conn, source, copy, ids).await?;
    custom_fields::copy(conn, source, copy, ids).await?;
    image_captions(conn, source, copy, left_out).await?;
    objects(conn, source, copy, left_out, ids).await?;
    failures(conn, source, copy, left_out).await?;
    derived(conn, source, copy, left_out).await
}

/// Which pictures and objects a model could not be applied to, where what it said of the others is taken over.
async fn failures(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
) -> Result<(), StoreError> {
    for sql in [
        "insert into enrichment_failures (dataset_id, enrichment_type, entity_id, reason, detail) \
         select $2, f.enrichment_type, c.id, f.reason, f.detail from enrichment_failures f \
         join media m on m.id = f.entity_id and m.dataset_id = $1 join media c on c.dataset_id = $2 and c.ordinal = m.ordinal \
         where f.dataset_id = $1 and f.enrichment_type <> all($3) on conflict do nothing",
        // Objects keep their order; where some are left out, everything said of objects is.
        "insert into enrichment_failures (dataset_id, enrichment_type, entity_id, reason, detail) \
         select $2, f.enrichment_type, c.id, f.reason, f.detail from enrichment_failures f \
         join objects o on o.id = f.entity_id and o.dataset_id = $1 join objects c on c.dataset_id = $2 and c.ordinal = o.ordinal \
         where f.dataset_id = $1 and f.enrichment_type <> all($3) on conflict do nothing",
    ] {
        sqlx::query(sql)
            .bind(source.as_uuid())
            .bind(copy.as_uuid())
            .bind(left_out.types())
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// Makes the planner join by hashing until the transaction ends. It has no statistics of rows that this very transaction inserted, takes the copy to
/// be empty, and would walk all of its media for each row of the source: hours for 100,000 media instead of seconds.
async fn plan_by_sets(conn: &mut PgConnection) -> Result<(), StoreError> {
    let sql =
        "select set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)";
    sqlx::query(sql).execute(conn).await?;
    Ok(())
}

async fn media(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
) -> Result<u64, StoreError> {
    let sql = "insert into media (id, dataset_id, ordinal, content_id, media_type, file_name, original_uri, source_path, batch) \
               select gen_random_uuid(), $2, ordinal, content_id, media_type, file_name, original_uri, source_path, batch \
               from media where dataset_id = $1 order by ordinal";
    Ok(sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .execute(conn)
        .await?
        .rows_affected())
}

async fn labels(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
) -> Result<(), StoreError> {
    let sql = "insert into labels (dataset_id, media_id, name, source, confidence, original_id) \
               select $2, c.id, l.name, l.source, l.confidence, l.original_id \
               from labels l join media m on m.id = l.media_id join media c on c.dataset_id = $2 and c.ordinal = m.ordinal \
               where l.dataset_id = $1 and not ($3 and l.source = $4)";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .bind(left_out.labels)
        .bind(AnnotationSource::VisualLayer.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

async fn tags(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    ids: Ids,
) -> Result<(), StoreError> {
    let sql = "insert into tags (id, origin_id, dataset_id, name, created_by, created_at) \
               select coalesce(case when $4 then origin_id end, gen_random_uuid()), case when $3 then id end, \
               $2, name, created_by, created_at from tags where dataset_id = $1";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .bind(ids.are_remembered())
        .bind(ids.are_restored())
        .execute(&mut *conn)
        .await?;
    let sql = "insert into media_tags (tag_id, media_id, assigned_at) \
               select mine.id, c.id, a.assigned_at from tags t join media_tags a on a.tag_id = t.id \
               join tags mine on mine.dataset_id = $2 and mine.name = t.name \
               join media m on m.id = a.media_id join media c on c.dataset_id = $2 and c.ordinal = m.ordinal \
               where t.dataset_id = $1";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .execute(conn)
        .await?;
    Ok(())
}

async fn image_captions(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
) -> Result<(), StoreError> {
    let sql = "insert into captions (dataset_id, entity_type, entity_id, source, caption) \
               select $2, c.entity_type, mine.id, c.source, c.caption \
               from captions c join media m on m.id = c.entity_id join media mine on mine.dataset_id = $2 and mine.ordinal = m.ordinal \
               where c.dataset_id = $1 and c.entity_type = 'IMAGES' and not ($3 and c.source = $4)";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .bind(left_out.image_captions)
        .bind(AnnotationSource::VisualLayer.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Objects with their captions. Ordinals are dealt anew, because objects of models may be left out.
async fn objects(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
    ids: Ids,
) -> Result<(), StoreError> {
    let sql = "with mapped as materialized ( \
                   select o.id as old_id, coalesce(case when $7 then o.origin_id end, gen_random_uuid()) as id, \
                   case when $6 then o.id end as origin_id, (row_number() over (order by o.ordinal) - 1)::integer as ordinal, \
                   mine.id as media_id, o.region_id, o.label, o.confidence, o.source, o.original_id \
                   from objects o join media m on m.id = o.media_id join media mine on mine.dataset_id = $2 and mine.ordinal = m.ordinal \
                   where o.dataset_id = $1 and not ($3 and o.source = $5) \
               ), inserted as ( \
                   insert into objects (id, origin_id, dataset_id, ordinal, media_id, region_id, label, confidence, source, original_id) \
                   select id, origin_id, $2, ordinal, media_id, region_id, label, confidence, source, original_id from mapped \
               ) insert into captions (dataset_id, entity_type, entity_id, source, caption) \
               select $2, c.entity_type, mapped.id, c.source, c.caption from mapped join captions c \
               on c.dataset_id = $1 and c.entity_type = 'OBJECTS' and c.entity_id = mapped.old_id \
               where not ($4 and c.source = $5)";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .bind(left_out.objects)
        .bind(left_out.object_captions)
        .bind(AnnotationSource::VisualLayer.as_str())
        .bind(ids.are_remembered())
        .bind(ids.are_restored())
        .execute(conn)
        .await?;
    Ok(())
}

/// Vector spaces, the newest generation of each, and the list of applied models.
async fn derived(
    conn: &mut PgConnection,
    source: DatasetId,
    copy: DatasetId,
    left_out: LeftOut,
) -> Result<(), StoreError> {
    let spaces = left_out.spaces();
    for sql in [
        "insert into dataset_spaces (dataset_id, entity_type, space, package, parameters, dimension) \
         select $2, entity_type, space, package, parameters, dimension from dataset_spaces \
         where dataset_id = $1 and entity_type || '/' || space <> all($3)",
        "insert into index_generations (dataset_id, entity_type, space, number, origin_dataset_id, blob_key, checksum, count) \
         select distinct on (entity_type, space) $2, entity_type, space, number, origin_dataset_id, blob_key, checksum, count \
         from index_generations where dataset_id = $1 and entity_type || '/' || space <> all($3) \
         order by entity_type, space, number desc",
    ] {
        sqlx::query(sql)
            .bind(source.as_uuid())
            .bind(copy.as_uuid())
            .bind(&spaces)
            .execute(&mut *conn)
            .await?;
    }
    let sql = "insert into applied_models (dataset_id, enrichment_type, slot, package, parameters, applied_at) \
               select $2, enrichment_type, slot, package, parameters, applied_at from applied_models \
               where dataset_id = $1 and enrichment_type <> all($3)";
    sqlx::query(sql)
        .bind(source.as_uuid())
        .bind(copy.as_uuid())
        .bind(left_out.types())
        .execute(conn)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_objects_take_everything_said_about_the_old_ones_with_them() {
        let left_out = LeftOut::of(&[EnrichmentType::ObjectDetection]);
        assert_eq!(
            left_out.types(),
            [
                "OBJECT_DETECTION",
                "CAPTION_OBJECTS",
                "MULTIMODEL_OBJECT_ENCODING"
            ]
        );
        assert_eq!(
            left_out.spaces(),
            [
                "OBJECTS/INDEX",
                "OBJECTS/CAPTION_TEXT",
                "OBJECTS/MULTIMODEL_OBJECT_ENCODING"
            ]
        );
        assert_eq!(
            LeftOut::of(&[EnrichmentType::ImageTagging]).spaces(),
            [""; 0]
        );
    }
}
