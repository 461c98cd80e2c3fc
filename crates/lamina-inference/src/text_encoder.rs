//! The text-encoder family: texts into a space of their own.

use std::sync::Arc;

use lamina_types::{Embedding, SpaceKey};

use crate::device::Device;
use crate::dual_encoder::{EncoderConfig, MAX_TEXT_BYTES};
use crate::error::InferenceError;
use crate::launch::{GraphPlan, Launch, join};
use crate::manifest::{Family, FileRole, ModelManifest};
use crate::package::ModelPackage;
use crate::pool::{Lane, Pool};
use crate::registry::{ModelReport, model_family};
use crate::runtime::Runtime;
use crate::sentence::SentenceTower;
use crate::session::EncoderOutput;

/// What a text is to a search; some models want to be told by a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextRole {
    /// Searched with.
    Query,
    /// Searched in.
    Document,
}

/// A running text encoder. A cheap handle: clones share the sessions, which end with [`Self::shutdown`] or with the last handle.
#[derive(Clone)]
pub struct TextEncoder(Arc<Inner>);

struct Inner {
    manifest: ModelManifest,
    key: SpaceKey,
    dimension: usize,
    query_prefix: String,
    document_prefix: String,
    device: Device,
    pool: Pool<String, EncoderOutput>,
}

impl TextEncoder {
    /// Loads the graph and warms it up with its largest batch of its longest texts. Blocks: up to a second for a small model.
    ///
    /// # Errors
    /// A package of another family, a file that changed since the package was opened, a graph that does not fit its manifest or its
    /// family, or a failing warm-up.
    pub fn start(
        runtime: &Arc<Runtime>,
        package: &ModelPackage,
        config: &EncoderConfig,
    ) -> Result<Self, InferenceError> {
        let launch = Launch {
            runtime,
            package,
            config,
        };
        let manifest = package.manifest();
        let (Family::TextEncoder, Some(spec), Some(pooling), Some(dimension), Some(tokenizer)) = (
            manifest.family,
            &manifest.text,
            manifest.text.as_ref().and_then(|text| text.pooling),
            manifest.dimension,
            manifest.file(FileRole::Tokenizer),
        ) else {
            return Err(launch.wrong_family(Family::TextEncoder));
        };
        let tokenizer = package.read(tokenizer)?;
        let has_int8 = manifest.file(FileRole::TextInt8).is_some();
        let plan = GraphPlan {
            role: if has_int8 && !runtime.device().is_gpu() {
                FileRole::TextInt8
            } else {
                FileRole::Text
            },
            name: "text",
            threads: config.text_threads.max(1),
            sessions: 1,
        };
        // Cut by the tokenizer: as many tokens as a text may have.
        let longest = "a ".repeat(spec.max_length);
        let (query_prefix, document_prefix) =
            (spec.query_prefix.clone(), spec.document_prefix.clone());
        let spec = spec.clone();
        let pool = launch.pool(
            &plan,
            move |source, index| {
                SentenceTower::load(source, index, &tokenizer, &spec, pooling, dimension)
            },
            longest,
        )?;
        launch.announce();
        Ok(Self(Arc::new(Inner {
            dimension,
            query_prefix,
            document_prefix,
            manifest: manifest.clone(),
            key: package.key(),
            device: runtime.device().clone(),
            pool,
        })))
    }

    /// Vectors of texts, in their order. Texts beyond the model's length are cut.
    ///
    /// Cancel safe: what still waits is not run.
    ///
    /// # Errors
    /// A text of more than 32 KiB, a full interactive lane, a failed batch, a vector of no use, a stopped model.
    pub async fn embed(
        &self,
        lane: Lane,
        role: TextRole,
        texts: Vec<String>,
    ) -> Result<Vec<Embedding>, InferenceError> {
        let inner = &self.0;
        if let Some((index, text)) = texts
            .iter()
            .enumerate()
            .find(|(_, text)| text.len() > MAX_TEXT_BYTES)
        {
            return Err(InferenceError::TextLength {
                index,
                bytes: text.len(),
                limit: MAX_TEXT_BYTES,
            });
        }
        let prefix = match role {
            TextRole::Query => &inner.query_prefix,
            TextRole::Document => &inner.document_prefix,
        };
        let texts = if prefix.is_empty() {
            texts
        } else {
            texts
                .into_iter()
                .map(|text| format!("{prefix}{text}"))
                .collect()
        };
        inner
            .pool
            .run(lane, texts)
            .await?
            .into_iter()
            .map(|vector| {
                vector.map_err(|source| InferenceError::BadTextVector {
                    model: inner.key.package.clone(),
                    source,
                })
            })
            .collect()
    }

    /// Length of its vectors.
    pub fn dimension(&self) -> usize {
        self.0.dimension
    }

    /// What the package says about itself.
    pub fn manifest(&self) -> &ModelManifest {
        &self.0.manifest
    }

    /// Name of the space of its vectors.
    pub fn key(&self) -> &SpaceKey {
        &self.0.key
    }

    /// State and sums since the start.
    pub fn report(&self) -> ModelReport {
        ModelReport {
            package: self.0.key.package.clone(),
            family: self.0.manifest.family,
            device: self.0.device.clone(),
            graphs: vec![("text", self.0.pool.report())],
        }
    }

    /// Refuses what waits and what comes, lets running batches end, and waits for the threads. All handles are stopped with it.
    pub async fn shutdown(&self) {
        join(self.0.pool.stop()).await;
    }
}

model_family!(TextEncoder);
