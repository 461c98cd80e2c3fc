//! The loop of the thread that owns a session.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Semaphore;

use super::lanes::Entry;
use super::{Make, Shared, batch_error, close};
use crate::session::{ModelSession, SessionError};

/// Batches without trouble after which a size that was halved for want of memory is doubled again.
const BATCHES_UNTIL_DOUBLED: u32 = 64;

/// Times that a session may be lost without one good batch between; after that its thread ends.
const MAX_LOSSES: u32 = 3;

type Outputs<O> = Vec<Result<O, Arc<SessionError>>>;

/// How large a batch may be: the manifest's budget, or less after the device ran out of memory.
struct Ceiling {
    budget: usize,
    now: usize,
    good_batches: u32,
}

impl Ceiling {
    fn lower(&mut self, to: usize) {
        self.now = self.now.min(to).max(1);
        self.good_batches = 0;
    }

    fn went_well(&mut self) {
        self.good_batches += 1;
        if self.good_batches >= BATCHES_UNTIL_DOUBLED && self.now < self.budget {
            self.now = (self.now * 2).min(self.budget);
            self.good_batches = 0;
        }
    }
}

/// Runs the worst batch, so that arenas have their size and the first real request is not the slow one. Gives the size that fits.
pub(super) fn warm_up<S: ModelSession>(
    session: &mut S,
    worst: &[S::Input],
) -> Result<usize, SessionError> {
    let mut size = worst.len();
    loop {
        match session.run(worst.get(..size).unwrap_or(worst)) {
            Ok(_) => return Ok(size),
            Err(error) if error.is_out_of_memory() && size > 1 => size /= 2,
            Err(error) => return Err(error),
        }
    }
}

/// The owner of a session: runs batches, and starts the session again when its device was lost.
pub(super) struct Worker<'a, S: ModelSession> {
    /// `None` only while a lost one is being replaced: two at once may not fit the device.
    session: Option<S>,
    number: usize,
    make: Make<S>,
    /// Times that the session was lost since the last good batch.
    losses: u32,
    ceiling: Ceiling,
    shared: &'a Shared<S::Input, S::Output>,
}

impl<'a, S: ModelSession> Worker<'a, S> {
    pub(super) fn new(
        session: S,
        number: usize,
        make: Make<S>,
        limit: usize,
        shared: &'a Shared<S::Input, S::Output>,
    ) -> Self {
        Self {
            session: Some(session),
            number,
            make,
            losses: 0,
            ceiling: Ceiling {
                budget: shared.config.max_batch,
                now: limit.max(1),
                good_batches: 0,
            },
            shared,
        }
    }

    /// Takes batches until the lanes close or the device is lost for good.
    pub(super) fn work(mut self, places: &Semaphore) {
        let shared = self.shared;
        while let Some(taken) = shared.lanes.take(self.ceiling.now) {
            let waits = taken
                .entries
                .iter()
                .map(|entry| (entry.lane, entry.queued.elapsed()));
            shared.counters.taken(waits, taken.abandoned);
            if taken.entries.is_empty() {
                continue;
            }
            self.run_batch(taken.entries);
            if self.session.is_none() && !self.revive() {
                break;
            }
        }
        // Before anybody hears that the pool is closed: who starts another one needs the memory.
        self.session = None;
        if shared.lanes.leave() {
            // Nobody is left to serve what waits.
            close(shared, places);
        }
    }

    fn run_batch(&mut self, entries: Vec<Entry<S::Input, S::Output>>) {
        let model = &self.shared.config.model;
        let span = tracing::debug_span!("batch", inference.model = %model, items = entries.len());
        let mut inputs = Vec::with_capacity(entries.len());
        let mut replies = Vec::with_capacity(entries.len());
        for entry in entries {
            span.follows_from(&entry.span);
            inputs.push(entry.input);
            replies.push(entry.reply);
        }
        let _inside = span.enter();
        let mut outputs = self.attempt(&inputs);
        if self.session.is_none() && self.revive() {
            // Once more, as a whole: a batch that loses the device twice is left alone.
            outputs = self.attempt(&inputs);
        }
        let failure = outputs
            .iter()
            .find_map(|output| output.as_ref().err().cloned());
        match &failure {
            Some(error) => tracing::warn!(
                error = error_chain(error),
                "a batch of model {model} failed"
            ),
            None => self.ceiling.went_well(),
        }
        // Counted before anybody hears of it, so that who waited for an answer sees it in the report.
        self.shared
            .counters
            .finished(failure.as_ref().map(|error| error_chain(error)));
        for (reply, output) in replies.into_iter().zip(outputs) {
            if output.as_ref().is_ok_and(S::is_unusable) {
                self.shared.counters.bad_vector();
            }
            let answer = output.map_err(|error| batch_error(model, &error));
            // The caller may have gone meanwhile.
            let _ = reply.send(answer);
        }
    }

    /// Runs a batch; without a session afterwards, the device was lost.
    fn attempt(&mut self, inputs: &[S::Input]) -> Outputs<S::Output> {
        let Some(session) = &mut self.session else {
            return fail(inputs.len(), SessionError::DeviceLost(None));
        };
        let outputs = run_halving(session, inputs, &mut self.ceiling, self.shared);
        let is_lost = |output: &Result<_, Arc<SessionError>>| {
            output.as_ref().is_err_and(|error| error.is_device_lost())
        };
        if outputs.iter().any(is_lost) {
            self.session = None;
        } else if outputs.iter().all(Result::is_ok) {
            self.losses = 0;
        }
        outputs
    }

    /// Starts the session again, within bounds. Whether there is one now.
    fn revive(&mut self) -> bool {
        let (shared, model) = (self.shared, &self.shared.config.model);
        while self.losses < MAX_LOSSES {
            let pause = shared.config.rebuild_pause * self.losses;
            self.losses += 1;
            if shared.lanes.pause(pause) {
                return false;
            }
            let made = catch_unwind(AssertUnwindSafe(|| (self.make)(self.number)));
            match made.unwrap_or(Err(SessionError::Panicked)) {
                Ok(session) => {
                    shared.counters.rebuilt();
                    tracing::warn!("model {model} lost its device and was started again");
                    self.session = Some(session);
                    return true;
                }
                Err(error) => tracing::warn!(
                    error = error_chain(&error),
                    "model {model} lost its device and does not start again"
                ),
            }
        }
        tracing::error!("model {model} lost its device for good");
        false
    }
}

/// CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// One output or error for each input. Halves the batch as long as memory is short.
fn run_halving<S: ModelSession>(
    session: &mut S,
    inputs: &[S::Input],
    ceiling: &mut Ceiling,
    shared: &Shared<S::Input, S::Output>,
) -> Outputs<S::Output> {
    let (started, cpu) = (Instant::now(), thread_cpu());
    let result = catch_unwind(AssertUnwindSafe(|| session.run(inputs)))
        .unwrap_or(Err(SessionError::Panicked));
    let cpu = thread_cpu().saturating_sub(cpu);
    shared.counters.ran(inputs.len(), started.elapsed(), cpu);
    match result {
        Ok(outputs) if outputs.len() == inputs.len() => outputs.into_iter().map(Ok).collect(),
        Ok(outputs) => fail(
            inputs.len(),
            SessionError::WrongOutput {
                found: outputs.len(),
                expected: inputs.len(),
            },
        ),
        Err(error) if error.is_out_of_memory() && inputs.len() > 1 => {
            let half = inputs.len() / 2;
            tracing::warn!(
                inference.model = %shared.config.model,
                items = inputs.len(),
                "out of memory with a batch of {}, trying halves", inputs.len()
            );
            shared.counters.halved();
            ceiling.lower(half);
            let (left, right) = inputs.split_at(half);
            let mut outputs = run_halving(session, left, ceiling, shared);
            outputs.extend(run_halving(session, right, ceiling, shared));
            outputs
        }
        Err(error) => fail(inputs.len(), error),
    }
}

fn fail<O>(items: usize, error: SessionError) -> Outputs<O> {
    let error = Arc::new(error);
    (0..items).map(|_| Err(Arc::clone(&error))).collect()
}

/// An error with its causes, on one line.
fn error_chain(error: &SessionError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(inner.to_string().lines().next().unwrap_or_default());
        cause = inner.source();
    }
    text
}
