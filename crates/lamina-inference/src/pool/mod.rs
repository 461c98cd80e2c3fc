//! Lanes in front of, and threads around, the sessions of one graph.
//!
//! A request puts its items into a lane and awaits one answer each. Every session has a thread of its own that takes batches from the
//! shared lanes, so several graphics cards serve one queue. There is no second queue between lanes and session: preparing a batch is a
//! copy of its tensors (under 1 % of the run on a CPU, measured with the starter encoder), so nothing is gained by doing it ahead.

mod counters;
mod lanes;
mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::InferenceError;
use crate::session::{ModelSession, SessionError};

use counters::Counters;
pub use counters::{LaneReport, PoolReport};
use lanes::{Lanes, Policy, Refused};
use worker::Worker;

/// Makes the session of this number.
type Make<S> = Arc<dyn Fn(usize) -> Result<S, SessionError> + Send + Sync>;

/// What one item comes to.
type Answer<O> = Result<O, InferenceError>;

/// Who waits: people, or a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A person waits: served first, refused when too many wait.
    Interactive,
    /// A job waits: served with what is left, and slowed down when too much waits.
    Bulk,
}

impl Lane {
    /// For metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// Sizes of a pool.
#[derive(Debug, Clone)]
pub(crate) struct PoolConfig {
    /// `name@version/graph`, for messages and threads.
    pub(crate) model: String,
    /// Most items of a run.
    pub(crate) max_batch: usize,
    /// Most interactive items that wait.
    pub(crate) interactive_capacity: usize,
    /// Most bulk items that wait.
    pub(crate) bulk_capacity: usize,
    /// Whether a fuller batch takes hardly longer (a graphics card).
    pub(crate) is_gpu: bool,
    /// Between attempts to start a lost session again; the first is made at once.
    pub(crate) rebuild_pause: Duration,
}

/// The pool of one graph.
pub(crate) struct Pool<I, O> {
    shared: Arc<Shared<I, O>>,
    /// One permit for each place in the bulk lane.
    places: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the threads see of a pool.
struct Shared<I, O> {
    config: PoolConfig,
    lanes: Lanes<I, O>,
    counters: Counters,
}

impl<I: Send + 'static, O: Send + 'static> Pool<I, O> {
    /// Makes so many sessions, warms each up with its worst batch, and gives each a thread. `make` is asked again, with the number of
    /// the session, when one is lost. Blocks as long as the warm-up takes.
    pub(crate) fn start<S>(
        config: PoolConfig,
        sessions: usize,
        make: impl Fn(usize) -> Result<S, SessionError> + Send + Sync + 'static,
        worst: &[I],
    ) -> Result<Self, InferenceError>
    where
        S: ModelSession<Input = I, Output = O>,
    {
        let failed = |source| InferenceError::Start {
            model: config.model.clone(),
            source,
        };
        let make: Make<S> = Arc::new(make);
        let mut ready = Vec::with_capacity(sessions);
        for number in 0..sessions {
            let mut session = make(number).map_err(failed)?;
            let limit = worker::warm_up(&mut session, worst).map_err(failed)?;
            ready.push((session, limit));
        }
        let policy = Policy {
            interactive_capacity: config.interactive_capacity.max(1),
            always_fills: config.is_gpu,
        };
        let places = Arc::new(Semaphore::new(config.bulk_capacity.max(1)));
        let shared = Arc::new(Shared {
            lanes: Lanes::new(policy, ready.len()),
            counters: Counters::default(),
            config,
        });
        let pool = Self {
            shared,
            places,
            threads: Mutex::new(Vec::new()),
        };
        for (number, (session, limit)) in ready.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            let places = Arc::clone(&pool.places);
            let make = Arc::clone(&make);
            // Thread names are cut at 15 bytes by the system; the end of the model's name says vision or text.
            let tower = shared.config.model.rsplit('/').next().unwrap_or_default();
            let thread = std::thread::Builder::new()
                .name(format!("infer-{tower}-{number}"))
                .spawn(move || {
                    Worker::new(session, number, make, limit, &shared).work(&places);
                })
                .map_err(|source| InferenceError::Thread {
                    model: pool.shared.config.model.clone(),
                    source,
                })?;
            pool.threads
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(thread);
        }
        Ok(pool)
    }

    /// Answers for all items, in their order, or the first failure.
    ///
    /// Cancel safe: items of a dropped call that still wait are never run.
    pub(crate) async fn run(&self, lane: Lane, inputs: Vec<I>) -> Result<Vec<O>, InferenceError> {
        let mut waiting = Vec::with_capacity(inputs.len());
        match lane {
            Lane::Interactive => match self.shared.lanes.push_interactive(inputs) {
                Ok(receivers) => waiting = receivers,
                Err(refused) => return Err(self.refusal(refused)),
            },
            Lane::Bulk => {
                for input in inputs {
                    let place: OwnedSemaphorePermit = Arc::clone(&self.places)
                        .acquire_owned()
                        .await
                        .map_err(|_| self.stopped())?;
                    waiting.push(
                        self.shared
                            .lanes
                            .push_bulk(input, place)
                            .map_err(|refused| self.refusal(refused))?,
                    );
                }
            }
        }
        let mut answers = Vec::with_capacity(waiting.len());
        for receiver in waiting {
            answers.push(receiver.await.map_err(|_| self.stopped())??);
        }
        Ok(answers)
    }

    /// What happened so far.
    pub(crate) fn report(&self) -> PoolReport {
        let (interactive, bulk, is_running) = self.shared.lanes.lengths();
        self.shared.counters.report(interactive, bulk, is_running)
    }

    /// Refuses everything that waits and everything new, and returns the threads: each ends after the batch it runs.
    pub(crate) fn stop(&self) -> Vec<JoinHandle<()>> {
        close(&self.shared, &self.places);
        std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn refusal(&self, refused: Refused) -> InferenceError {
        let config = &self.shared.config;
        match refused {
            Refused::Closed => self.stopped(),
            Refused::TooManyItems { items, limit } => InferenceError::TooManyItems { items, limit },
            Refused::Full { waiting } => {
                self.shared.counters.overloaded();
                let batches = waiting.div_ceil(config.max_batch.max(1)) as f64;
                let seconds = batches * self.shared.counters.mean_batch_seconds();
                let retry_after = Duration::from_secs_f64(seconds.clamp(1.0, 30.0));
                InferenceError::Overloaded {
                    model: config.model.clone(),
                    retry_after,
                }
            }
        }
    }

    fn stopped(&self) -> InferenceError {
        InferenceError::Stopped {
            model: self.shared.config.model.clone(),
        }
    }
}

/// Refuses everything that waits and everything new.
fn close<I, O>(shared: &Shared<I, O>, places: &Semaphore) {
    places.close();
    for entry in shared.lanes.close() {
        // A receiver that is gone needs no answer.
        let _ = entry.reply.send(Err(InferenceError::Stopped {
            model: shared.config.model.clone(),
        }));
    }
}

impl<I, O> Drop for Pool<I, O> {
    /// Waits for the batches that run: a session must not outlive the process's own end.
    fn drop(&mut self) {
        close(&self.shared, &self.places);
        for thread in self
            .threads
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// A failed batch, for each of its items.
fn batch_error(model: &str, source: &Arc<SessionError>) -> InferenceError {
    InferenceError::Batch {
        model: model.to_owned(),
        source: Arc::clone(source),
    }
}

#[cfg(test)]
mod tests;
