//! Originals of the generated media: a few files of random bytes that the media share.

use lamina_media::content_hash;
use lamina_store::sqlx;

use crate::commands::bench::explore::place::Place;
use crate::commands::bench::index::vectors::Random;
use crate::home::Home;

/// Different originals.
const DIFFERENT: usize = 64;

/// Puts originals into the blob store and has the media refer to them.
///
/// # Errors
/// The database, the disk.
pub async fn put(place: &Place, home: &Home, bytes: usize) -> anyhow::Result<()> {
    let mut random = Random::new(2);
    let mut tx = place.pool.begin().await?;
    for number in 0..DIFFERENT {
        let original: Vec<u8> = (0..bytes).map(|_| random.below(256) as u8).collect();
        let hash = content_hash(&original);
        home.blobs
            .put_content(place.owner.id, hash, original.into())
            .await?;
        sqlx::query("update contents set sha256 = $2, byte_size = $3 where id = $1")
            .bind(i64::try_from(number + 1)?)
            .bind(hash.as_bytes().as_slice())
            .bind(i64::try_from(bytes)?)
            .execute(&mut *tx)
            .await?;
    }
    // Contents are numbered from 1, as many as there are media or more.
    sqlx::query("update media set content_id = 1 + ordinal % $2 where dataset_id = $1")
        .bind(place.notes.dataset.as_uuid())
        .bind(i32::try_from(DIFFERENT)?)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    sqlx::query("vacuum analyze media")
        .execute(&place.pool)
        .await?;
    Ok(())
}
