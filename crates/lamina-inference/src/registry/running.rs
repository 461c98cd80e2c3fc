//! What the registry needs to know of a running model, whatever its family.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::device::Device;
use crate::dual_encoder::{DualEncoder, EncoderConfig};
use crate::error::InferenceError;
use crate::manifest::Family;
use crate::package::ModelPackage;
use crate::pool::PoolReport;
use crate::runtime::Runtime;

/// State of a running model, for health and metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelReport {
    /// `name@version`.
    pub package: String,
    /// How its graphs are used.
    pub family: Family,
    /// The device that its sessions really run on.
    pub device: Device,
    /// Each of its pools, with the name of its graph.
    pub graphs: Vec<(&'static str, PoolReport)>,
}

impl ModelReport {
    /// Whether every graph takes requests.
    pub fn is_ready(&self) -> bool {
        self.graphs.iter().all(|(_, pool)| pool.is_running)
    }
}

/// A family of models that the registry can load: its type is a cheap handle whose clones share the sessions.
pub(crate) trait ModelFamily: Clone + Send + Sync + 'static {
    /// The families that it can run.
    const FAMILIES: &'static [Family];

    /// Loads and warms up. Blocks.
    fn start(
        runtime: &Arc<Runtime>,
        package: &ModelPackage,
        config: &EncoderConfig,
    ) -> Result<Self, InferenceError>;

    /// State and sums since the start.
    fn report(&self) -> ModelReport;

    /// Handles alive, this one included.
    fn handles(&self) -> usize;

    /// Refuses what waits and what comes, and waits for the threads.
    fn shutdown(&self) -> impl Future<Output = ()> + Send;
}

/// A [`ModelFamily`] whose type is forgotten, so that all of them lie in one map.
pub(super) trait Running: Send + Sync {
    fn report(&self) -> ModelReport;
    fn handles(&self) -> usize;
    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn as_any(&self) -> &dyn Any;
}

impl<M: ModelFamily> Running for M {
    fn report(&self) -> ModelReport {
        ModelFamily::report(self)
    }

    fn handles(&self) -> usize {
        ModelFamily::handles(self)
    }

    fn shutdown(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(ModelFamily::shutdown(self))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl ModelFamily for DualEncoder {
    const FAMILIES: &'static [Family] = &[Family::DualEncoder];

    fn start(
        runtime: &Arc<Runtime>,
        package: &ModelPackage,
        config: &EncoderConfig,
    ) -> Result<Self, InferenceError> {
        Self::start(runtime, package, config)
    }

    fn report(&self) -> ModelReport {
        let report = Self::report(self);
        let text = report.text.map(|text| ("text", text));
        ModelReport {
            package: self.key().package.clone(),
            family: self.manifest().family,
            device: report.device,
            graphs: [("vision", report.vision)]
                .into_iter()
                .chain(text)
                .collect(),
        }
    }

    fn handles(&self) -> usize {
        self.handles()
    }

    async fn shutdown(&self) {
        Self::shutdown(self).await;
    }
}
