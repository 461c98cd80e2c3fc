//! How the run that fills a copy begins and ends.
//!
//! The source is `READ ONLY` from the transaction that makes the copy until the one that ends the run, whichever way it
//! ends: both datasets move together, so no crash can leave one behind.

use lamina_types::{ContextId, DatasetId, DatasetStatus, EnrichmentStatus, SourceType};
use sqlx::{Acquire, PgConnection, PgExecutor};
use uuid::Uuid;

use crate::StoreError;
use crate::datasets::{self, Dataset, NewDataset};

/// Longest name of a dataset, characters.
const LONGEST_NAME: usize = 255;

/// Takes the source (`READ ONLY`) and makes its copy, empty and `INDEXING`, with the same people having access. Of two
/// callers one gets the conflict. The job that fills the copy has to be enqueued in the same transaction.
///
/// # Errors
/// [`StoreError::StatusConflict`] unless the source is `READY`; not found.
pub async fn begin(conn: &mut PgConnection, source: DatasetId) -> Result<Dataset, StoreError> {
    let source = datasets::move_status(
        conn,
        source,
        &[DatasetStatus::Ready],
        DatasetStatus::ReadOnly,
    )
    .await?;
    let new = NewDataset {
        id: DatasetId::new(),
        owner_id: source.owner_id,
        display_name: name_of_copy(&source.display_name),
        description: source.description,
        source_type: SourceType::Vl,
        source_uri: source.source_uri,
        filename: source.filename,
        serve_mode: source.serve_mode,
        status: DatasetStatus::Indexing,
        source_dataset_id: Some(source.id),
    };
    let copy = datasets::insert(conn.acquire().await?, &new).await?;
    let sql = "insert into dataset_shares (dataset_id, user_id, role) \
               select $2, user_id, role from dataset_shares where dataset_id = $1";
    sqlx::query(sql)
        .bind(source.id.as_uuid())
        .bind(copy.id.as_uuid())
        .execute(&mut *conn)
        .await?;
    let sql = "insert into enrichment_contexts (id, dataset_id, status) values ($1, $2, $3)";
    sqlx::query(sql)
        .bind(ContextId::new().as_uuid())
        .bind(copy.id.as_uuid())
        .bind(EnrichmentStatus::InProgress.as_str())
        .execute(&mut *conn)
        .await?;
    Ok(copy)
}

fn name_of_copy(name: &str) -> String {
    const SUFFIX: &str = " (enriched)";
    let room = LONGEST_NAME - SUFFIX.len();
    let mut copy: String = name.chars().take(room).collect();
    copy.push_str(SUFFIX);
    copy
}

/// The context of a copy that is done.
///
/// # Errors
/// The database.
pub async fn mark_completed(ex: impl PgExecutor<'_>, copy: DatasetId) -> Result<(), StoreError> {
    set_status(ex, copy, EnrichmentStatus::Completed).await
}

async fn set_status(
    ex: impl PgExecutor<'_>,
    copy: DatasetId,
    status: EnrichmentStatus,
) -> Result<(), StoreError> {
    sqlx::query("update enrichment_contexts set status = $2 where dataset_id = $1")
        .bind(copy.as_uuid())
        .bind(status.as_str())
        .execute(ex)
        .await?;
    Ok(())
}

/// Gives the source back: `READY` again. Nothing happens to one that is not `READ ONLY`, or is gone.
///
/// # Errors
/// The database.
pub async fn release_source(ex: impl PgExecutor<'_>, source: DatasetId) -> Result<(), StoreError> {
    let sql = "update datasets set status = 'READY', progress = 100, revision = revision + 1, updated_at = now() \
               where id = $1 and deleted_at is null and status = 'READ ONLY'";
    sqlx::query(sql).bind(source.as_uuid()).execute(ex).await?;
    Ok(())
}

/// Ends a run that is not to be completed: the copy is `ERROR` with this text for the user, its context says how it came
/// to that, the source is `READY`. False when the copy was at rest already, or is gone; the source is given back anyway.
///
/// # Errors
/// The database.
pub async fn end_badly(
    conn: &mut PgConnection,
    copy: DatasetId,
    source: DatasetId,
    status: EnrichmentStatus,
    message: &str,
) -> Result<bool, StoreError> {
    // Sources before copies, everywhere: runs that end at the same time must not wait for each other.
    release_source(&mut *conn, source).await?;
    let failed = datasets::fail(&mut *conn, copy, message).await?;
    if failed {
        set_status(conn, copy, status).await?;
    }
    Ok(failed)
}

/// The copies of a dataset that are being made now: at most one.
///
/// # Errors
/// The database.
pub async fn copies_being_made(
    ex: impl PgExecutor<'_>,
    source: DatasetId,
) -> Result<Vec<DatasetId>, StoreError> {
    let sql = "select d.id from datasets d join enrichment_contexts c on c.dataset_id = d.id \
               where d.source_dataset_id = $1 and d.deleted_at is null and d.status = 'INDEXING' \
               and c.status = 'IN_PROGRESS' order by d.created_at";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql)
        .bind(source.as_uuid())
        .fetch_all(ex)
        .await?;
    Ok(ids.into_iter().map(DatasetId::from_uuid).collect())
}

/// Gives back every source that nobody works on any more. Runs end in one transaction, so there is none unless somebody
/// changed rows by hand or restored part of a database; how many there were.
///
/// # Errors
/// The database.
pub async fn release_stranded(ex: impl PgExecutor<'_>) -> Result<u64, StoreError> {
    let sql = "update datasets d set status = 'READY', progress = 100, revision = revision + 1, updated_at = now() \
               where d.deleted_at is null and d.status = 'READ ONLY' and not exists \
               (select from jobs j join job_states s on s.job_id = j.id where s.state in ('queued', 'running') \
               and (j.subject_id = d.id or j.subject_id in \
               (select copy.id from datasets copy where copy.source_dataset_id = d.id)))";
    Ok(sqlx::query(sql).execute(ex).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_copy_fits_its_column() {
        assert_eq!(name_of_copy("Road scenes"), "Road scenes (enriched)");
        let long = name_of_copy(&"ä".repeat(255));
        assert_eq!(long.chars().count(), 255);
        assert!(long.ends_with("ä (enriched)"));
    }
}
