//! What is known of the items of a dataset beside their vectors, by ordinal.

use std::collections::BTreeMap;

use lamina_store::annotations;
use lamina_store::measures;
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, TagId};
use roaring::RoaringBitmap;

use crate::ExploreError;

/// Labels and tags as sets of ordinals, measures as one value per ordinal.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Who carries each label.
    pub labels: BTreeMap<String, RoaringBitmap>,
    /// Who carries each tag.
    pub tags: BTreeMap<TagId, RoaringBitmap>,
    /// How surely each picture is blurred, 0 to 1; 0 where it was not measured.
    pub blur: Vec<f32>,
    /// How surely each picture is too dark.
    pub dark: Vec<f32>,
    /// How surely each picture is overexposed.
    pub bright: Vec<f32>,
}

impl Columns {
    /// Reads the columns of the first `count` items of a dataset.
    ///
    /// # Errors
    /// The database.
    pub async fn load(
        pool: &PgPool,
        dataset: DatasetId,
        count: usize,
    ) -> Result<Self, ExploreError> {
        let (labels, tags, measured) = tokio::try_join!(
            annotations::label_column(pool, dataset),
            annotations::tag_column(pool, dataset),
            measures::of_dataset(pool, dataset),
        )?;
        let mut columns = Self {
            blur: vec![0.0; count],
            dark: vec![0.0; count],
            bright: vec![0.0; count],
            ..Self::default()
        };
        // What came after the index was built is not part of this picture of the dataset.
        let is_known = |ordinal: u32| (ordinal as usize) < count;
        for (ordinal, label) in labels.into_iter().filter(|(ordinal, _)| is_known(*ordinal)) {
            columns.labels.entry(label).or_default().insert(ordinal);
        }
        for (ordinal, tag) in tags.into_iter().filter(|(ordinal, _)| is_known(*ordinal)) {
            columns.tags.entry(tag).or_default().insert(ordinal);
        }
        for row in measured.iter().filter(|row| is_known(row.ordinal)) {
            let place = row.ordinal as usize;
            columns.blur[place] = row.measures.blur_confidence;
            columns.dark[place] = row.measures.dark_confidence;
            columns.bright[place] = row.measures.bright_confidence;
        }
        Ok(columns)
    }

    /// Who carries the label; `None` when nobody does.
    pub(crate) fn label(&self, name: &str) -> Option<&RoaringBitmap> {
        self.labels.get(name)
    }

    /// Who carries the tag; `None` when nobody does.
    pub(crate) fn tag(&self, id: TagId) -> Option<&RoaringBitmap> {
        self.tags.get(&id)
    }

    /// Who carries any tag.
    pub(crate) fn tagged(&self) -> RoaringBitmap {
        let mut union = RoaringBitmap::new();
        for owners in self.tags.values() {
            union |= owners;
        }
        union
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let sets = self.labels.values().chain(self.tags.values());
        let floats = self.blur.capacity() + self.dark.capacity() + self.bright.capacity();
        sets.map(RoaringBitmap::serialized_size).sum::<usize>() + floats * size_of::<f32>()
    }
}
