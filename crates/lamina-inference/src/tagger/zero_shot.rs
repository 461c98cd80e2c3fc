//! The session of a tagger that compares a picture's vector with those of the tags' names.
//!
//! The vectors of the names are made once, when the tagger starts: each name is put into every template, the texts go through the text
//! tower, and their mean stands for the name. The text tower is not needed after that and is not kept.

use std::sync::Arc;

use lamina_types::Embedding;

use super::TagScore;
use super::scores::{Choice, TagFault};
use crate::dual_encoder::IMAGE_OUTPUTS;
use crate::error::InferenceError;
use crate::graph::GraphSource;
use crate::labels::Labels;
use crate::launch::Launch;
use crate::manifest::{FileRole, TaggerSpec, TextSpec};
use crate::session::{ModelSession, SessionError};
use crate::text::TextTower;
use crate::vision::VisionTower;

/// One vector for each named tag, shared by all sessions.
#[derive(Debug, Clone)]
pub(super) struct Vocabulary(Arc<[(usize, Embedding)]>);

impl Vocabulary {
    /// Runs the text tower over all names in all templates. Blocks: milliseconds for each text.
    pub(super) fn embed(
        launch: &Launch<'_>,
        labels: &Labels,
        text: &TextSpec,
        spec: &TaggerSpec,
        dimension: usize,
    ) -> Result<Self, InferenceError> {
        let failed = |source| launch.failed("text", source);
        let package = launch.package;
        let tokenizer = package
            .manifest()
            .file(FileRole::Tokenizer)
            .ok_or_else(|| failed(SessionError::Signature("tokenizer")))?;
        let tokenizer = package.read(tokenizer)?;
        let (threads, batch) = (launch.config.text_threads.max(1), launch.max_batch());
        let source = GraphSource::read(launch.runtime, package, FileRole::Text, threads, batch)?
            .ok_or_else(|| failed(SessionError::Signature("file")))?;
        let mut tower = TextTower::load(&source, 0, &tokenizer, text, dimension).map_err(failed)?;
        let named: Vec<(usize, &str)> = (0..labels.len())
            .filter_map(|tag| Some((tag, &**labels.name(tag)?)))
            .collect();
        let prompts: Vec<String> = named
            .iter()
            .flat_map(|(_, name)| prompts(&spec.templates, name))
            .collect();
        let mut vectors = Vec::with_capacity(prompts.len());
        for batch in prompts.chunks(batch) {
            vectors.extend(tower.run(batch).map_err(failed)?);
        }
        let vectors = vectors.into_iter().collect::<Result<Vec<_>, _>>();
        let unusable = |source| InferenceError::BadTextVector {
            model: package.key().package,
            source,
        };
        let means = vectors
            .map_err(unusable)?
            .chunks(spec.templates.len().max(1))
            .map(mean)
            .collect::<Result<Vec<_>, _>>()
            .map_err(unusable)?;
        let tags = named.into_iter().map(|(tag, _)| tag);
        Ok(Self(tags.zip(means).collect()))
    }

    /// The share of each tag: the softmax of the scaled cosine similarities over all tags.
    fn shares(&self, picture: &Embedding, scale: f32) -> Vec<(usize, f32)> {
        let odds: Vec<(usize, f32)> = self
            .0
            .iter()
            .map(|(tag, vector)| (*tag, scale * (1.0 - picture.cosine_distance(vector))))
            .collect();
        let best = odds
            .iter()
            .map(|(_, odds)| *odds)
            .fold(f32::NEG_INFINITY, f32::max);
        let raised = odds.iter().map(|(tag, odds)| (*tag, (odds - best).exp()));
        let raised: Vec<(usize, f32)> = raised.collect();
        let sum: f32 = raised.iter().map(|(_, raised)| raised).sum();
        raised
            .into_iter()
            .map(|(tag, raised)| (tag, raised / sum))
            .collect()
    }
}

/// A name in every template.
fn prompts<'a>(templates: &'a [String], name: &'a str) -> impl Iterator<Item = String> + 'a {
    templates
        .iter()
        .map(move |template| template.replace("{}", name))
}

/// The direction of the mean of unit vectors.
fn mean(vectors: &[Embedding]) -> Result<Embedding, lamina_types::EmbeddingError> {
    let length = vectors.first().map_or(0, Embedding::dimension);
    let mut sum = vec![0.0_f32; length];
    for vector in vectors {
        for (sum, value) in sum.iter_mut().zip(vector.as_slice()) {
            *sum += value;
        }
    }
    Embedding::new(sum)
}

/// The score of a tag is its share in the competition of all tags of the vocabulary: `exp(scale * similarity)`, divided by the sum of
/// that over all tags. Those of a picture add up to 1, so a threshold of 0.1 lets at most ten tags through.
pub(super) struct ZeroShotSession {
    tower: VisionTower,
    vocabulary: Vocabulary,
    scale: f32,
    choice: Choice,
}

impl ZeroShotSession {
    pub(super) fn load(
        source: &GraphSource,
        index: usize,
        size: u32,
        vocabulary: Vocabulary,
        scale: f32,
        choice: Choice,
        dimension: usize,
    ) -> Result<Self, SessionError> {
        Ok(Self {
            tower: VisionTower::load(source, index, size, dimension, &IMAGE_OUTPUTS)?,
            vocabulary,
            scale,
            choice,
        })
    }
}

impl ModelSession for ZeroShotSession {
    type Input = Vec<f32>;
    type Output = Result<Vec<TagScore>, TagFault>;

    fn run(&mut self, batch: &[Vec<f32>]) -> Result<Vec<Self::Output>, SessionError> {
        let choose = |picture: Result<Embedding, _>| {
            let shares = self.vocabulary.shares(&picture?, self.scale);
            self.choice.choose(shares.into_iter())
        };
        Ok(self.tower.run(batch)?.into_iter().map(choose).collect())
    }

    fn is_unusable(output: &Self::Output) -> bool {
        output.is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(x: f32, y: f32) -> Embedding {
        Embedding::new(vec![x, y]).unwrap()
    }

    #[test]
    fn names_are_put_into_every_template() {
        let templates = ["a photo of a {}".to_owned(), "{}, a {}".to_owned()];
        let found: Vec<String> = prompts(&templates, "dog").collect();
        assert_eq!(found, ["a photo of a dog", "dog, a dog"]);
    }

    #[test]
    fn the_mean_has_the_direction_between() {
        let found = mean(&[vector(1.0, 0.0), vector(0.0, 1.0)]).unwrap();
        assert!(found.cosine_distance(&vector(1.0, 1.0)) < 1e-6);
        assert!(mean(&[vector(1.0, 0.0), vector(-1.0, 0.0)]).is_err());
    }

    #[test]
    fn shares_add_up_to_one_and_keep_the_order_of_the_similarities() {
        let tags = [
            (0, vector(1.0, 0.0)),
            (2, vector(1.0, 1.0)),
            (5, vector(-1.0, 0.2)),
        ];
        let shares = Vocabulary(tags.into()).shares(&vector(1.0, 0.1), 100.0);
        let sum: f32 = shares.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert_eq!(
            shares.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(),
            [0, 2, 5]
        );
        assert!(
            shares[0].1 > 0.99 && shares[1].1 > shares[2].1,
            "{shares:?}"
        );
    }
}
