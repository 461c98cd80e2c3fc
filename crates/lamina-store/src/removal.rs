//! Removing what nobody needs any more: rows of deleted datasets, contents without references, files without rows.
//!
//! Order (hardening P31): rows first, in a transaction, under the owner's content lock; files after the commit, with the
//! references checked again under the same lock. A crash in between leaves files without rows, which the sweep finds;
//! never a row without its file.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lamina_types::{ContentHash, DatasetId, UserId};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::{BlobStore, StoreError, columns, contents};

/// How far the removal of a dataset is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// Rows are left; call again.
    More,
    /// The dataset is gone. These files (generations, archives of exports) are used by nobody and may be deleted after commit.
    Done {
        /// Whose contents may have lost their last reference.
        owner: UserId,
        /// Keys of the blob store.
        blob_keys: Vec<String>,
    },
}

/// Deletes up to `limit` rows of a dataset that was marked deleted; in the end the dataset itself. Run each call in a
/// transaction of its own, so that no lock is held for long.
///
/// # Errors
/// Not found when the dataset is not marked deleted, or gone already.
pub async fn purge(
    conn: &mut PgConnection,
    dataset: DatasetId,
    limit: u32,
) -> Result<Purge, StoreError> {
    let sql = "select owner_id from datasets where id = $1 and deleted_at is not null for update";
    let owner: Option<Uuid> = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_optional(&mut *conn)
        .await?;
    let owner = UserId::from_uuid(owner.ok_or(StoreError::NotFound("deleted dataset"))?);
    // Objects, labels and tags of a media item go with it. Captions, their texts and source items have no such parent.
    for sql in [
        "delete from media where id in (select id from media where dataset_id = $1 limit $2)",
        "delete from captions where ctid = any(array(select ctid from captions where dataset_id = $1 limit $2))",
        "delete from caption_texts where ctid = any(array(select ctid from caption_texts where dataset_id = $1 limit $2))",
        "delete from source_items where ctid = any(array(select ctid from source_items where dataset_id = $1 limit $2))",
    ] {
        let gone = sqlx::query(sql)
            .bind(dataset.as_uuid())
            .bind(i64::from(limit))
            .execute(&mut *conn)
            .await?;
        if gone.rows_affected() > 0 {
            fail::fail_point!("removal_batch_deleted", |_| Err(StoreError::NotFound(
                "injected by a fail point"
            )));
            return Ok(Purge::More);
        }
    }
    let sql = "select g.blob_key from index_generations g where g.dataset_id = $1 and not exists \
               (select from index_generations o where o.blob_key = g.blob_key and o.dataset_id <> $1) \
               union all select e.blob_key from exports e where e.dataset_id = $1 and e.blob_key is not null";
    let blob_keys = sqlx::query_scalar(sql)
        .bind(dataset.as_uuid())
        .fetch_all(&mut *conn)
        .await?;
    sqlx::query("delete from datasets where id = $1")
        .bind(dataset.as_uuid())
        .execute(conn)
        .await?;
    Ok(Purge::Done { owner, blob_keys })
}

/// Datasets that are marked deleted and still have rows, for a removal that was interrupted.
///
/// # Errors
/// The database.
pub async fn unfinished(pool: &PgPool) -> Result<Vec<DatasetId>, StoreError> {
    let sql = "select id from datasets where deleted_at is not null order by deleted_at";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(pool).await?;
    Ok(ids.into_iter().map(DatasetId::from_uuid).collect())
}

/// Users in whose name there are contents but no datasets any more: their account has ended, or all went to somebody else.
///
/// # Errors
/// The database.
pub async fn ended_owners(pool: &PgPool) -> Result<Vec<UserId>, StoreError> {
    let sql = "select distinct c.owner_id from contents c \
               where not exists (select from datasets d where d.owner_id = c.owner_id)";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql).fetch_all(pool).await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}

/// Deletes the owner's contents that nothing refers to and that are older than `grace`, rows and files. How many.
///
/// # Errors
/// The database, the disk.
pub async fn collect_contents(
    pool: &PgPool,
    blobs: &BlobStore,
    owner: UserId,
    grace: Duration,
) -> Result<u64, StoreError> {
    let (mut after, mut collected) = (0_i64, 0);
    while let Some((last, hashes)) = delete_content_rows(pool, owner, after, grace).await? {
        fail::fail_point!("removal_rows_gone", |_| Err(StoreError::NotFound(
            "injected by a fail point"
        )));
        collected += delete_files(pool, blobs, owner, &hashes).await?;
        after = last;
    }
    Ok(collected)
}

/// Looks at the next contents of the owner after row `after` and deletes the unused ones; the last row that was looked at.
async fn delete_content_rows(
    pool: &PgPool,
    owner: UserId,
    after: i64,
    grace: Duration,
) -> Result<Option<(i64, Vec<ContentHash>)>, StoreError> {
    const WINDOW: i64 = 1_000;
    let mut tx = pool.begin().await?;
    contents::lock_owner(&mut tx, owner, true).await?;
    let sql = "select max(id) from (select id from contents where owner_id = $1 and id > $2 order by id limit $3) w";
    let last: Option<i64> = sqlx::query_scalar(sql)
        .bind(owner.as_uuid())
        .bind(after)
        .bind(WINDOW)
        .fetch_one(&mut *tx)
        .await?;
    let Some(last) = last else { return Ok(None) };
    let sql = "delete from contents c where c.owner_id = $1 and c.id > $2 and c.id <= $3 \
               and c.created_at <= now() - make_interval(secs => $4) \
               and not exists (select from media m where m.content_id = c.id) \
               and not exists (select from source_items s where s.content_id = c.id) \
               returning c.sha256";
    let rows = sqlx::query(sql)
        .bind(owner.as_uuid())
        .bind(after)
        .bind(last)
        .bind(grace.as_secs_f64())
        .fetch_all(&mut *tx)
        .await?;
    let hashes = rows
        .iter()
        .map(|row| columns::hash(row, "sha256"))
        .collect::<Result<Vec<_>, _>>()?;
    tx.commit().await?;
    Ok(Some((last, hashes)))
}

/// Deletes files whose rows are gone, unless somebody wrote a row for the same bytes in the meantime.
async fn delete_files(
    pool: &PgPool,
    blobs: &BlobStore,
    owner: UserId,
    hashes: &[ContentHash],
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for part in hashes.chunks(100) {
        // Writers of rows wait for this lock, and then look whether their files are there.
        let mut tx = pool.begin().await?;
        contents::lock_owner(&mut tx, owner, true).await?;
        let wanted = referenced(&mut tx, owner, part).await?;
        for hash in part.iter().filter(|hash| !wanted.contains(*hash)) {
            blobs.delete_content(owner, *hash).await?;
            deleted += 1;
        }
        tx.commit().await?;
    }
    Ok(deleted)
}

/// Which of `hashes` somebody refers to: a content row, a file of an upload, or an archive that a job reads which
/// lives or may be tried again.
pub(crate) async fn referenced(
    conn: &mut PgConnection,
    owner: UserId,
    hashes: &[ContentHash],
) -> Result<HashSet<ContentHash>, StoreError> {
    let sql = "select t.sha256 from unnest($2::bytea[]) as t (sha256) where \
               exists (select from contents c where c.owner_id = $1 and c.sha256 = t.sha256) \
               or exists (select from upload_files f join upload_transactions u on u.id = f.transaction_id \
                   join datasets d on d.id = u.dataset_id where d.owner_id = $1 and f.sha256 = t.sha256) \
               or exists (select from jobs j join job_states s on s.job_id = j.id where j.owner_id = $1 \
                   and (s.state in ('queued', 'running') or (s.state in ('failed', 'cancelled') \
                       and exists (select from datasets d where d.id = j.subject_id and d.deleted_at is null))) \
                   and j.spec -> 'source' ->> 'content' = encode(t.sha256, 'hex'))";
    let bytes: Vec<&[u8]> = hashes
        .iter()
        .map(|hash| hash.as_bytes().as_slice())
        .collect();
    let rows = sqlx::query(sql)
        .bind(owner.as_uuid())
        .bind(bytes)
        .fetch_all(conn)
        .await?;
    Ok(rows
        .iter()
        .map(|row| columns::hash(row, "sha256"))
        .collect::<Result<_, _>>()?)
}

/// Deletes files older than `grace` that no row refers to: what a crash between file and row left. How many.
///
/// # Errors
/// The database, the disk.
pub async fn sweep_orphans(
    pool: &PgPool,
    blobs: &BlobStore,
    grace: Duration,
) -> Result<u64, StoreError> {
    let orphans = orphans(pool, blobs, grace).await?;
    let mut deleted = 0;
    for (owner, hashes) in orphans.contents {
        deleted += delete_files(pool, blobs, owner, &hashes).await?;
    }
    for key in orphans.derived {
        deleted += u64::from(blobs.delete(&key).await?);
    }
    Ok(deleted)
}

/// Files older than the grace that nobody refers to.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// Originals and thumbnails, by owner.
    pub(crate) contents: Vec<(UserId, Vec<ContentHash>)>,
    /// Keys of generation files and of archives of exports.
    pub(crate) derived: Vec<String>,
}

/// Looks at every file of the store.
pub(crate) async fn orphans(
    pool: &PgPool,
    blobs: &BlobStore,
    grace: Duration,
) -> Result<Orphans, StoreError> {
    let mut by_owner: BTreeMap<UserId, HashSet<ContentHash>> = BTreeMap::new();
    let mut derived = Vec::new();
    let newest = DateTime::<Utc>::from(
        std::time::SystemTime::now()
            .checked_sub(grace)
            .unwrap_or(std::time::UNIX_EPOCH),
    );
    let mut files = blobs.list();
    while let Some(file) = files.try_next().await? {
        if file.modified_at > newest {
            continue;
        }
        match BlobStore::content_of_key(&file.key) {
            Some((owner, hash)) => {
                by_owner.entry(owner).or_default().insert(hash);
            }
            None => derived.push(file.key),
        }
    }
    let mut conn = pool.acquire().await?;
    let mut orphans = Orphans::default();
    for (owner, hashes) in by_owner {
        let hashes: Vec<ContentHash> = hashes.into_iter().collect();
        let mut unused = Vec::new();
        for part in hashes.chunks(1_000) {
            let wanted = referenced(&mut conn, owner, part).await?;
            unused.extend(part.iter().filter(|hash| !wanted.contains(*hash)));
        }
        if !unused.is_empty() {
            orphans.contents.push((owner, unused));
        }
    }
    for part in derived.chunks(1_000) {
        let sql = "select t.key from unnest($1::text[]) as t (key) \
                   where not exists (select from index_generations g where g.blob_key = t.key) \
                   and not exists (select from exports e where e.blob_key = t.key)";
        let rows = sqlx::query(sql).bind(part).fetch_all(&mut *conn).await?;
        for row in rows {
            orphans.derived.push(row.try_get("key")?);
        }
    }
    Ok(orphans)
}
