//! What is known of the items of a dataset beside their vectors, by ordinal.

use std::collections::BTreeMap;

use lamina_store::sqlx::PgPool;
use lamina_store::{annotations, boxes, measures};
use lamina_types::{DatasetId, EntityType};
use roaring::RoaringBitmap;

use crate::ExploreError;

/// Labels as sets of ordinals, measures as one value per ordinal.
#[derive(Debug, Clone, Default)]
pub struct Columns {
    /// Who carries each label.
    pub labels: BTreeMap<String, RoaringBitmap>,
    /// How surely each item is blurred, 0 to 1; 0 where it was not measured.
    pub blur: Vec<f32>,
    /// How surely each item is too dark.
    pub dark: Vec<f32>,
    /// How surely each item is overexposed.
    pub bright: Vec<f32>,
    /// Ordinal of the picture of each object; empty for pictures.
    pub parents: Vec<u32>,
}

impl Columns {
    /// Reads the columns of the first `count` items of a dataset; what came after the index was built is not part of this
    /// picture of the dataset.
    ///
    /// # Errors
    /// The database.
    pub async fn load(
        pool: &PgPool,
        dataset: DatasetId,
        entity: EntityType,
        count: usize,
    ) -> Result<Self, ExploreError> {
        let mut columns = Self {
            blur: vec![0.0; count],
            dark: vec![0.0; count],
            bright: vec![0.0; count],
            ..Self::default()
        };
        let measured = match entity {
            EntityType::Images => {
                let (labels, measured) = tokio::try_join!(
                    annotations::label_column(pool, dataset),
                    measures::confidences_of_media(pool, dataset),
                )?;
                for (label, ordinals) in labels {
                    let known = ordinals
                        .into_iter()
                        .take_while(|one| (*one as usize) < count);
                    let set = RoaringBitmap::from_sorted_iter(known).unwrap_or_default();
                    columns.labels.insert(label, set);
                }
                measured
            }
            EntityType::Objects => {
                let (objects, measured) = tokio::try_join!(
                    boxes::column(pool, dataset),
                    measures::confidences_of_objects(pool, dataset),
                )?;
                for object in objects.into_iter().take(count) {
                    let owners = columns.labels.entry(object.label).or_default();
                    owners.insert(object.ordinal);
                    columns.parents.push(object.media_ordinal);
                }
                measured
            }
        };
        for (ordinal, [blur, dark, bright]) in measured {
            let place = ordinal as usize;
            if place < count {
                columns.blur[place] = blur;
                columns.dark[place] = dark;
                columns.bright[place] = bright;
            }
        }
        Ok(columns)
    }

    /// Who carries the label; `None` when nobody does.
    pub(crate) fn label(&self, name: &str) -> Option<&RoaringBitmap> {
        self.labels.get(name)
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let sets = self.labels.iter().map(|(name, owners)| {
            size_of::<(String, RoaringBitmap)>() + name.capacity() + owners.serialized_size()
        });
        let floats = self.blur.capacity() + self.dark.capacity() + self.bright.capacity();
        sets.sum::<usize>() + (floats + self.parents.capacity()) * size_of::<f32>()
    }
}
