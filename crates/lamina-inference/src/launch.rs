//! Starting the pool of one graph, the same way for every family.

use std::sync::Arc;
use std::time::Duration;

use crate::dual_encoder::{CPU_BATCH, EncoderConfig};
use crate::error::InferenceError;
use crate::graph::GraphSource;
use crate::manifest::{Family, FileRole};
use crate::package::ModelPackage;
use crate::pool::{Pool, PoolConfig};
use crate::runtime::Runtime;
use crate::session::{ModelSession, SessionError};

/// Between attempts to start a lost session again; a driver that resets a graphics card needs some seconds.
const REBUILD_PAUSE: Duration = Duration::from_secs(2);

/// A package that is about to run, and where.
pub(crate) struct Launch<'a> {
    pub(crate) runtime: &'a Arc<Runtime>,
    pub(crate) package: &'a ModelPackage,
    pub(crate) config: &'a EncoderConfig,
}

/// Which graph of the package, and how many sessions it gets.
pub(crate) struct GraphPlan {
    pub(crate) role: FileRole,
    /// Its name in messages, metrics and thread names.
    pub(crate) name: &'static str,
    /// CPU threads of a run.
    pub(crate) threads: usize,
    /// Sessions on a CPU; on graphics cards there is one for each card.
    pub(crate) sessions: usize,
}

impl GraphPlan {
    /// A graph that sees pictures, with the sessions and threads of the configuration.
    pub(crate) fn vision(role: FileRole, name: &'static str, config: &EncoderConfig) -> Self {
        Self {
            role,
            name,
            threads: config.vision_threads.max(1),
            sessions: config.vision_sessions.max(1),
        }
    }
}

impl Launch<'_> {
    /// Most items of a run: the manifest's budget, or less where the configuration or the device wants it.
    pub(crate) fn max_batch(&self) -> usize {
        let limit = self.config.max_batch.unwrap_or({
            if self.runtime.device().is_gpu() {
                usize::MAX
            } else {
                CPU_BATCH
            }
        });
        self.package.manifest().batch.max_batch.min(limit).max(1)
    }

    /// Loads the graph once for each session, warms all up with the largest batch of `worst`, and starts their threads. `load` is kept,
    /// for sessions that are lost.
    pub(crate) fn pool<S>(
        &self,
        plan: &GraphPlan,
        load: impl Fn(&GraphSource, usize) -> Result<S, SessionError> + Send + Sync + 'static,
        worst: S::Input,
    ) -> Result<Pool<S::Input, S::Output>, InferenceError>
    where
        S: ModelSession,
        S::Input: Clone,
    {
        let device = self.runtime.device();
        let max_batch = self.max_batch();
        let config = PoolConfig {
            model: self.model(plan.name),
            max_batch,
            interactive_capacity: self.config.interactive_capacity.max(1),
            bulk_capacity: self.config.bulk_capacity.max(1),
            is_gpu: device.is_gpu(),
            rebuild_pause: REBUILD_PAUSE,
        };
        let sessions = self.sessions(plan);
        let source = self.source(plan.role, plan)?;
        let source = Arc::new(source);
        let make = {
            let source = Arc::clone(&source);
            move |index| load(&source, index)
        };
        let pool = Pool::start(config, sessions, make, &vec![worst; max_batch])?;
        source.forget();
        Ok(pool)
    }

    fn sessions(&self, plan: &GraphPlan) -> usize {
        let device = self.runtime.device();
        if device.is_gpu() {
            device.sessions()
        } else {
            plan.sessions
        }
    }

    /// The graph of this role, with the threads of the plan as far as there are cores for them.
    pub(crate) fn source(
        &self,
        role: FileRole,
        plan: &GraphPlan,
    ) -> Result<GraphSource, InferenceError> {
        let threads = threads_within(cores(), self.sessions(plan), plan.threads);
        let max_batch = self.max_batch();
        GraphSource::read(self.runtime, self.package, role, threads, max_batch)?
            .ok_or_else(|| self.failed(plan.name, SessionError::Signature("file")))
    }

    /// One line that says what runs where.
    pub(crate) fn announce(&self) {
        let (package, device) = (self.package.key().package, self.runtime.device());
        tracing::info!(
            inference.model = package,
            inference.device = %device,
            max_batch = self.max_batch(),
            "model {package} is ready on {device}"
        );
    }

    /// The package is of another family than the one that was asked for.
    pub(crate) fn wrong_family(&self, wanted: Family) -> InferenceError {
        InferenceError::Family {
            model: self.package.key().package,
            found: self.package.manifest().family.as_str(),
            wanted: wanted.as_str(),
        }
    }

    /// A graph that could not be loaded.
    pub(crate) fn failed(&self, graph: &str, source: SessionError) -> InferenceError {
        InferenceError::Start {
            model: self.model(graph),
            source,
        }
    }

    fn model(&self, graph: &str) -> String {
        format!("{}/{graph}", self.package.key().package)
    }
}

/// Cores that this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// As many threads as wanted, but no more than give every session its own cores: threads that share one wait for each other.
fn threads_within(cores: usize, sessions: usize, wanted: usize) -> usize {
    wanted.min(cores / sessions.max(1)).max(1)
}

/// Waits for the threads of pools that were stopped, off the async threads.
pub(crate) async fn join(threads: Vec<std::thread::JoinHandle<()>>) {
    let join = move || {
        for thread in threads {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    };
    // The join itself cannot fail; a runtime that is ending drops it, and then the threads end on their own.
    let _ = tokio::task::spawn_blocking(join).await;
}

/// Refuses tensors of another length than the model takes.
pub(crate) fn check_lengths<'a>(
    tensors: impl Iterator<Item = &'a [f32]>,
    expected: usize,
) -> Result<(), InferenceError> {
    match tensors
        .enumerate()
        .find(|(_, tensor)| tensor.len() != expected)
    {
        Some((index, tensor)) => Err(InferenceError::TensorLength {
            index,
            found: tensor.len(),
            expected,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_times_threads_fit_the_cores() {
        for (cores, sessions, wanted, expected) in [
            (8, 1, 4, 4),
            (8, 1, 99, 8),
            (8, 3, 4, 2),
            (2, 4, 2, 1),
            (1, 0, 0, 1),
        ] {
            let found = threads_within(cores, sessions, wanted);
            assert_eq!(found, expected, "{cores} {sessions} {wanted}");
        }
    }
}
