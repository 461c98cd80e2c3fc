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

/// Makes a [`ModelFamily`] of a handle that is named as its [`Family`] and wraps `Arc<{ key, device, .. }>`: its own functions
/// under the names that the registry knows, and package and device in logs.
macro_rules! model_family {
    ($model:ident) => {
        impl $crate::registry::ModelFamily for $model {
            const FAMILIES: &'static [$crate::manifest::Family] =
                &[$crate::manifest::Family::$model];

            fn start(
                runtime: &std::sync::Arc<$crate::runtime::Runtime>,
                package: &$crate::package::ModelPackage,
                config: &$crate::dual_encoder::EncoderConfig,
            ) -> Result<Self, $crate::error::InferenceError> {
                Self::start(runtime, package, config)
            }

            fn report(&self) -> $crate::registry::ModelReport {
                Self::report(self)
            }

            fn handles(&self) -> usize {
                std::sync::Arc::strong_count(&self.0)
            }

            async fn shutdown(&self) {
                Self::shutdown(self).await;
            }
        }

        impl std::fmt::Debug for $model {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($model))
                    .field("package", &self.0.key.package)
                    .field("device", &self.0.device)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use model_family;

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
