//! Vectors of captions, for search by their meaning.

use lamina_store::sqlx::PgConnection;
use lamina_store::text_vectors;
use lamina_types::{SpaceKey, UserId};

use crate::PipelineError;
use crate::workshop::Workshop;

/// Texts read at once.
const BATCH: usize = 32;

/// Vectors that are not stored yet.
pub(crate) struct NewTexts {
    key: SpaceKey,
    dimension: usize,
    vectors: Vec<(String, Vec<u8>)>,
}

/// Reads those of `texts` that this owner has no vector of. `None` when there is nothing to do.
///
/// # Errors
/// The model cannot be loaded, or failed; the database.
pub(crate) async fn read(
    workshop: &Workshop,
    owner: UserId,
    key: &SpaceKey,
    texts: &[String],
) -> Result<Option<NewTexts>, PipelineError> {
    let lacking = text_vectors::lacking(&workshop.pool, owner, key, texts).await?;
    if lacking.is_empty() {
        return Ok(None);
    }
    let model = workshop.models.text_model(key).await?;
    let mut vectors = Vec::with_capacity(lacking.len());
    for part in lacking.chunks(BATCH) {
        let read = model.read(part.to_vec()).await?;
        vectors.extend(part.iter().cloned().zip(read));
    }
    Ok(Some(NewTexts {
        key: key.clone(),
        dimension: model.dimension(),
        vectors,
    }))
}

impl NewTexts {
    /// Stores them.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn keep(
        &self,
        conn: &mut PgConnection,
        owner: UserId,
    ) -> Result<(), PipelineError> {
        Ok(text_vectors::put(conn, owner, &self.key, self.dimension, &self.vectors).await?)
    }
}
