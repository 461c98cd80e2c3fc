//! What a filter may look at while it is resolved.

use std::sync::Arc;

use lamina_inference::DualEncoder;
use lamina_store::spaces::DatasetSpace;
use lamina_store::sqlx::PgPool;
use lamina_types::DatasetId;
use roaring::RoaringBitmap;

use crate::encoders::Encoders;
use crate::matching::Selection;
use crate::texts::TextVectors;
use crate::threshold_sense::ThresholdSense;
use crate::{DatasetSnapshot, ExploreError};

/// One dataset, opened for one request.
pub(crate) struct Context<'a> {
    pub(crate) pool: &'a PgPool,
    pub(crate) dataset: DatasetId,
    pub(crate) space: &'a DatasetSpace,
    pub(crate) snapshot: &'a Arc<DatasetSnapshot>,
    pub(crate) encoders: &'a Encoders,
    pub(crate) texts: &'a TextVectors,
    pub(crate) sense: ThresholdSense,
}

impl Context<'_> {
    /// The encoder that made the dataset's vectors, loaded if it is not.
    pub(crate) async fn encoder(&self) -> Result<DualEncoder, ExploreError> {
        self.encoders.of(&self.space.key).await
    }

    /// Looks at the items on a thread that may take its time.
    pub(crate) async fn scan(
        &self,
        select: impl FnOnce(&DatasetSnapshot) -> RoaringBitmap + Send + 'static,
    ) -> Result<Selection, ExploreError> {
        let snapshot = Arc::clone(self.snapshot);
        let set = tokio::task::spawn_blocking(move || select(&snapshot)).await?;
        Ok(Selection::Set(set))
    }
}
