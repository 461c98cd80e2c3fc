//! What a text is compared with when its meaning is searched for: captions, and what is seen.
//!
//! A dataset has captions to compare with once a sentence model was run over them (`CAPTION_TEXT`). What is seen is compared in
//! the space of an encoding enrichment, else in `INDEX` when its package reads text. Every space is asked with a vector of
//! the package that made it.

use std::sync::Arc;

use lamina_store::spaces::DatasetSpace;
use lamina_types::{EntityType, Space};

use crate::ExploreError;
use crate::context::Context;
use crate::matching::Probe;

/// What a text is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Captions; in a dataset without any that can be compared, what is seen.
    Captions,
    /// Captions and what is seen, whichever is closer.
    Anything,
}

impl Among {
    /// Greatest shown distance when the caller names none.
    pub(crate) const fn default_distance(self) -> f32 {
        match self {
            // Beyond this nothing has to do with the text.
            Self::Captions => 0.9,
            // The default of the best-known client.
            Self::Anything => 0.8,
        }
    }
}

/// The searches that a text stands for; none when the dataset has nothing to compare it with.
///
/// # Errors
/// No package is installed for any of the spaces; the model; the database, for vectors that are not loaded yet.
pub(crate) async fn probes(
    context: &Context<'_>,
    text: &str,
    among: Among,
) -> Result<Vec<Probe>, ExploreError> {
    let all = context.snapshot.spaces();
    let encoding = match context.entity_type() {
        EntityType::Images => Space::MultimodelImage,
        EntityType::Objects => Space::MultimodelObject,
    };
    let of = |space: Space| {
        all.iter()
            .find(|found| found.entity_type == context.entity_type() && found.space == space)
    };
    let reads = |space: &&DatasetSpace| context.encoders().reads_text(&space.key);
    let captions = of(Space::CaptionText);
    let seen = of(encoding).filter(reads).or_else(|| of(Space::Index));
    let wanted: Vec<&DatasetSpace> = match (among, captions) {
        (Among::Captions, Some(captions)) => vec![captions],
        (Among::Captions, None) => seen.into_iter().collect(),
        (Among::Anything, captions) => captions.into_iter().chain(seen).collect(),
    };
    let usable: Vec<&DatasetSpace> = wanted.iter().copied().filter(reads).collect();
    let missing = wanted
        .iter()
        .find(|space| context.encoders().manifest(&space.key).is_none());
    if let Some(missing) = missing {
        let package = missing.key.package.clone();
        if usable.is_empty() {
            return Err(ExploreError::MissingPackage(package));
        }
        tracing::warn!(dataset.id = %context.dataset_id(), model.package = package, "a text is compared with less than it could be: a package is not installed");
    }
    let mut probes = Vec::with_capacity(usable.len());
    for space in usable {
        probes.push(probe(context, space, text).await?);
    }
    Ok(probes)
}

async fn probe(
    context: &Context<'_>,
    space: &DatasetSpace,
    text: &str,
) -> Result<Probe, ExploreError> {
    let (encoders, key) = (context.encoders(), &space.key);
    let query = context
        .texts
        .vector(key, text, || encoders.embed_text(key, text))
        .await?;
    let is_own = space.space == Space::Index;
    Ok(Probe {
        query: query.to_vec(),
        among: match is_own {
            true => None,
            false => Some(Arc::clone(&context.side(space).await?)),
        },
        // Distances between two texts mean what they say; those of a text to a picture are put on the same scale.
        calibration: match space.space {
            Space::CaptionText => None,
            Space::Index | Space::MultimodelImage | Space::MultimodelObject => {
                encoders.calibration(key)
            }
        },
    })
}
