//! Where labels disagree with what is seen: `mislabels` and `label_outlier`.
//!
//! Derived from the generation and the labels, so nothing is stored: whatever changes labels moves the dataset's revision, and the
//! next reader who asks works them out again (about two microseconds an item). Of pictures, only labels that a user gave count,
//! and only where a picture has exactly one: a model's tags were not given by anybody who could be wrong about them, and of
//! several labels none is *the* class. Objects have one label each, whoever gave it.

use std::collections::BTreeMap;

use lamina_index::Generation;
use lamina_store::annotations;
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, EntityType};

use crate::columns::Columns;
use crate::{DatasetSnapshot, ExploreError};

/// Both issues by ordinal; empty when nothing is labelled.
#[derive(Debug, Default)]
pub(crate) struct LabelIssues {
    /// How surely the label is wrong, 0 to 1.
    pub(crate) mislabels: Vec<f32>,
    /// How unlike its own class an item looks, 0 to 1.
    pub(crate) label_outlier: Vec<f32>,
    /// The label that the neighbours have, by place in `names`; [`NOTHING`] where they say nothing.
    suggested: Vec<u32>,
    names: Vec<String>,
}

/// No suggestion.
const NOTHING: u32 = u32::MAX;

impl LabelIssues {
    /// Reads the labels that count and compares them with the vectors.
    ///
    /// # Errors
    /// The database, the index.
    pub(crate) async fn load(
        pool: &PgPool,
        dataset: DatasetId,
        snapshot: &std::sync::Arc<DatasetSnapshot>,
    ) -> Result<Self, ExploreError> {
        let given = match snapshot.entity_type() {
            EntityType::Images => annotations::only_labels(pool, dataset).await?,
            EntityType::Objects => of_objects(snapshot.columns()),
        };
        if given.is_empty() {
            return Ok(Self::default());
        }
        let snapshot = std::sync::Arc::clone(snapshot);
        tokio::task::spawn_blocking(move || Self::of(snapshot.generation(), given)).await?
    }

    /// Compares labels with vectors. Items that came after the generation are left out.
    pub(crate) fn of(
        generation: &Generation,
        given: Vec<(u32, String)>,
    ) -> Result<Self, ExploreError> {
        let mut labels = vec![None; generation.vectors.len()];
        let mut places: BTreeMap<String, u32> = BTreeMap::new();
        for (ordinal, name) in given {
            let next = places.len() as u32;
            let place = *places.entry(name).or_insert(next);
            if let Some(label) = labels.get_mut(ordinal as usize) {
                *label = Some(place);
            }
        }
        let found = lamina_index::label_issues(generation, &labels)?;
        let mut names = vec![String::new(); places.len()];
        for (name, place) in places {
            names[place as usize] = name;
        }
        let (mislabels, suggested) = found
            .mislabels
            .into_iter()
            .map(|doubt| doubt.unwrap_or((0.0, NOTHING)))
            .unzip();
        Ok(Self {
            mislabels,
            label_outlier: found.label_outlier,
            suggested,
            names,
        })
    }

    /// The label that the neighbours of an item have.
    pub(crate) fn suggestion(&self, ordinal: u32) -> Option<&str> {
        let place = self.suggested.get(ordinal as usize)?;
        self.names.get(*place as usize).map(String::as_str)
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let lists = self.mislabels.capacity() + self.label_outlier.capacity();
        let names: usize = self.names.iter().map(String::capacity).sum();
        names + (lists + self.suggested.capacity()) * size_of::<f32>()
    }
}

fn of_objects(columns: &Columns) -> Vec<(u32, String)> {
    let labels = columns.labels.iter();
    labels
        .flat_map(|(name, owners)| owners.iter().map(move |ordinal| (ordinal, name.clone())))
        .collect()
}
