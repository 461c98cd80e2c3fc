//! The two bounded lanes and the choice of the next batch.
//!
//! One mutex guards both lanes; it is held for pushes and takes only, never while a batch runs.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Span;

use super::{Answer, Lane};

/// One waiting item.
pub(super) struct Entry<I, O> {
    pub(super) input: I,
    pub(super) lane: Lane,
    pub(super) reply: oneshot::Sender<Answer<O>>,
    pub(super) queued: Instant,
    /// Whose request it is, for the span of the batch.
    pub(super) span: Span,
    /// Its place in the bulk lane, free again when it leaves.
    _place: Option<OwnedSemaphorePermit>,
}

/// How batches are put together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Most interactive items that wait.
    pub(super) interactive_capacity: usize,
    /// A batch with interactive items is always filled up with bulk ones. Right where a full batch takes hardly longer than a small one.
    /// On a CPU the time grows with the items, so there a person would wait for the filling: it is then left out every other time.
    pub(super) always_fills: bool,
}

/// Why an item was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Closed,
    Full { waiting: usize },
    TooManyItems { items: usize, limit: usize },
}

/// A batch and what was thrown away on the way to it.
pub(super) struct Taken<I, O> {
    pub(super) entries: Vec<Entry<I, O>>,
    /// Items whose caller had gone.
    pub(super) abandoned: usize,
}

pub(super) struct Lanes<I, O> {
    policy: Policy,
    state: Mutex<State<I, O>>,
    /// Signalled for every change that a waiting thread may want to see.
    changed: Condvar,
    /// Signalled when the lanes close; apart, so that a pausing thread takes no signal from one that waits for items.
    closing: Condvar,
}

struct State<I, O> {
    interactive: VecDeque<Entry<I, O>>,
    bulk: VecDeque<Entry<I, O>>,
    /// The last batch left waiting bulk items out.
    passed_bulk_over: bool,
    is_closed: bool,
    /// Threads that still take batches.
    workers: usize,
}

impl<I, O> Lanes<I, O> {
    pub(super) fn new(policy: Policy, workers: usize) -> Self {
        let state = State {
            interactive: VecDeque::new(),
            bulk: VecDeque::new(),
            passed_bulk_over: false,
            is_closed: false,
            workers,
        };
        Self {
            policy,
            state: Mutex::new(state),
            changed: Condvar::new(),
            closing: Condvar::new(),
        }
    }

    /// All items or none.
    pub(super) fn push_interactive(
        &self,
        inputs: Vec<I>,
    ) -> Result<Vec<oneshot::Receiver<Answer<O>>>, Refused> {
        let limit = self.policy.interactive_capacity;
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        if inputs.len() > limit {
            return Err(Refused::TooManyItems {
                items: inputs.len(),
                limit,
            });
        }
        // Callers that gave up must not keep others out.
        if state.interactive.len() + inputs.len() > limit {
            state.interactive.retain(|entry| !entry.reply.is_closed());
        }
        if state.interactive.len() + inputs.len() > limit {
            return Err(Refused::Full {
                waiting: state.interactive.len(),
            });
        }
        let mut receivers = Vec::with_capacity(inputs.len());
        for input in inputs {
            let (entry, receiver) = entry(input, Lane::Interactive, None);
            state.interactive.push_back(entry);
            receivers.push(receiver);
        }
        drop(state);
        self.changed.notify_all();
        Ok(receivers)
    }

    /// The caller has a place already.
    pub(super) fn push_bulk(
        &self,
        input: I,
        place: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Answer<O>>, Refused> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refused::Closed);
        }
        let (entry, receiver) = entry(input, Lane::Bulk, Some(place));
        state.bulk.push_back(entry);
        drop(state);
        self.changed.notify_one();
        Ok(receiver)
    }

    /// What waits, up to `limit` items; blocks while nothing does. `None` when the lanes are closed.
    pub(super) fn take(&self, limit: usize) -> Option<Taken<I, O>> {
        let mut state = self.lock();
        let mut abandoned = 0;
        loop {
            if state.is_closed {
                return None;
            }
            let before = state.interactive.len() + state.bulk.len();
            state.interactive.retain(|entry| !entry.reply.is_closed());
            state.bulk.retain(|entry| !entry.reply.is_closed());
            abandoned += before - state.interactive.len() - state.bulk.len();
            if !state.interactive.is_empty() || !state.bulk.is_empty() || abandoned > 0 {
                break;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let fills = self.policy.always_fills || state.passed_bulk_over;
        let (interactive, bulk) = shares(state.interactive.len(), state.bulk.len(), limit, fills);
        state.passed_bulk_over = bulk == 0 && !state.bulk.is_empty();
        let mut entries: Vec<_> = state.interactive.drain(..interactive).collect();
        entries.extend(state.bulk.drain(..bulk));
        Some(Taken { entries, abandoned })
    }

    /// Takes nothing in any more and gives back what waits.
    pub(super) fn close(&self) -> Vec<Entry<I, O>> {
        let mut state = self.lock();
        state.is_closed = true;
        let state = &mut *state;
        let waiting = state
            .interactive
            .drain(..)
            .chain(state.bulk.drain(..))
            .collect();
        self.changed.notify_all();
        self.closing.notify_all();
        waiting
    }

    /// Waits so long, or until the lanes close. Whether they are closed.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .closing
            .wait_timeout_while(state, time, |state| !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_closed
    }

    /// A thread takes no more batches. Whether it was the last.
    pub(super) fn leave(&self) -> bool {
        let mut state = self.lock();
        state.workers = state.workers.saturating_sub(1);
        state.workers == 0
    }

    /// Interactive items, bulk items, and whether somebody works on them.
    pub(super) fn lengths(&self) -> (usize, usize, bool) {
        let state = self.lock();
        (
            state.interactive.len(),
            state.bulk.len(),
            !state.is_closed && state.workers > 0,
        )
    }

    fn lock(&self) -> MutexGuard<'_, State<I, O>> {
        // Nothing panics between two consistent states, so a poisoned lock still guards good data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry<I, O>(
    input: I,
    lane: Lane,
    place: Option<OwnedSemaphorePermit>,
) -> (Entry<I, O>, oneshot::Receiver<Answer<O>>) {
    let (reply, receiver) = oneshot::channel();
    (
        Entry {
            input,
            lane,
            reply,
            queued: Instant::now(),
            span: Span::current(),
            _place: place,
        },
        receiver,
    )
}

/// How many of each lane go into a batch of at most `limit`: interactive first. With `fills`, bulk gets the rest, and when there is no
/// rest, one place of several, so that it never stands still.
fn shares(interactive: usize, bulk: usize, limit: usize, fills: bool) -> (usize, usize) {
    let limit = limit.max(1);
    if interactive == 0 {
        return (0, bulk.min(limit));
    }
    if !fills || bulk == 0 || limit == 1 {
        return (interactive.min(limit), 0);
    }
    let interactive = interactive.min(limit - 1);
    (interactive, bulk.min(limit - interactive))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_shared_out() {
        for (interactive, bulk, limit, fills, expected) in [
            (0, 0, 8, true, (0, 0)),
            (0, 20, 8, false, (0, 8)),
            (3, 0, 8, true, (3, 0)),
            (3, 20, 8, true, (3, 5)),
            (3, 20, 8, false, (3, 0)),
            (20, 20, 8, false, (8, 0)),
            (20, 20, 8, true, (7, 1)),
            (20, 0, 8, true, (8, 0)),
            (2, 2, 1, true, (1, 0)),
            (1, 1, 0, true, (1, 0)),
        ] {
            assert_eq!(
                shares(interactive, bulk, limit, fills),
                expected,
                "{interactive} {bulk} {limit} {fills}"
            );
        }
    }
}
