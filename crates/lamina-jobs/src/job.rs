//! Jobs, phases and chunks as data.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::{JobError, QueueError};

/// A step of a job: chunks that may be worked on in any order and at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// `list`, `process`, `publish`, ...
    pub name: String,
    /// Half-open ranges of units, one per chunk. What a unit is belongs to the job's kind. At least one; a range may be
    /// empty, its chunk is run all the same.
    pub ranges: Vec<(i64, i64)>,
}

impl Phase {
    /// A phase of one chunk of one unit.
    pub fn single(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ranges: vec![(0, 1)],
        }
    }

    /// Units `0..total` in chunks of at most `size`; one empty chunk when there are none, so that the phase still runs.
    pub fn chunked(name: impl Into<String>, total: i64, size: i64) -> Self {
        Self::chunked_from(name, 0, total, size)
    }

    /// As [`Self::chunked`], of the units `first..end`.
    pub fn chunked_from(name: impl Into<String>, first: i64, end: i64, size: i64) -> Self {
        let (total, size) = (end.max(first), size.max(1));
        let mut ranges = Vec::new();
        let mut first = first;
        while first < total || ranges.is_empty() {
            let end = (first + size).min(total);
            ranges.push((first, end));
            first = end;
        }
        Self {
            name: name.into(),
            ranges,
        }
    }

    /// Number of units.
    pub(crate) fn units(&self) -> i64 {
        self.ranges.iter().map(|(first, end)| end - first).sum()
    }

    /// # Errors
    /// No ranges, or one that ends before it starts.
    pub(crate) fn check(&self) -> Result<(), QueueError> {
        if self.ranges.is_empty() {
            return Err(QueueError::EmptyPhase(self.name.clone()));
        }
        match self.ranges.iter().find(|(first, end)| first > end) {
            Some(&(first, end)) => Err(QueueError::BadRange {
                phase: self.name.clone(),
                first,
                end,
            }),
            None => Ok(()),
        }
    }
}

/// What follows when a phase is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The job has succeeded.
    Nothing,
    /// This phase.
    Phase(Phase),
}

/// A job to be enqueued.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Fresh.
    pub id: Uuid,
    /// Which handler.
    pub kind: &'a str,
    /// Whose turn it is; jobs without an owner share one turn.
    pub owner_id: Option<Uuid>,
    /// What it is about, for look-ups.
    pub subject_id: Option<Uuid>,
    /// For the handler. Never changes.
    pub spec: serde_json::Value,
    /// Higher goes first.
    pub priority: i16,
    /// The first step.
    pub first: Phase,
}

impl<'a> NewJob<'a> {
    /// A job of `kind` with a fresh id and the usual priority, that begins with `first`.
    ///
    /// # Errors
    /// A spec that is no JSON value.
    pub fn new(
        kind: &'a str,
        owner_id: Option<Uuid>,
        subject_id: Option<Uuid>,
        spec: &impl Serialize,
        first: Phase,
    ) -> Result<Self, QueueError> {
        Ok(Self {
            id: Uuid::now_v7(),
            kind,
            owner_id,
            subject_id,
            spec: serde_json::to_value(spec)?,
            priority: 0,
            first,
        })
    }

    /// The same job, sooner (above 0) or later than others.
    #[must_use]
    pub const fn with_priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }
}

/// The unchanging part of a job, as a handler sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Id.
    pub id: Uuid,
    /// Which handler.
    pub kind: String,
    /// Whose.
    pub owner_id: Option<Uuid>,
    /// About what.
    pub subject_id: Option<Uuid>,
    /// For the handler.
    pub spec: serde_json::Value,
}

impl Job {
    /// The spec as the handler's type.
    ///
    /// # Errors
    /// Fatal when it has another shape: retrying will not mend it.
    pub fn spec<T: DeserializeOwned>(&self) -> Result<T, JobError> {
        T::deserialize(&self.spec)
            .map_err(|error| JobError::fatal_because("the job is malformed", error))
    }
}

/// The right to work on a chunk until somebody else gets it: a fencing token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which chunk.
    pub chunk_id: i64,
    /// Rises with every claim.
    pub token: i64,
}

/// A chunk with its lease.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedChunk {
    /// Id.
    pub id: i64,
    /// The job it belongs to.
    pub job: Job,
    /// Which step of the job.
    pub phase: String,
    /// First unit.
    pub first_unit: i64,
    /// One behind the last unit.
    pub end_unit: i64,
    /// 1 at the first run.
    pub attempt: i32,
    /// How often a lease ran out on it: its worker was ended, or got stuck.
    pub expiries: i32,
    /// True for a single unit that failed, or ended its worker, as often as is allowed: it should not be tried again but
    /// recorded as failed, and the chunk completed. An error now fails the job.
    pub exhausted: bool,
    /// True when even that did not end well; the runner fails the job without asking the handler to run.
    pub(crate) is_spent: bool,
    /// How long it was due before it was claimed, in seconds.
    pub(crate) waited_s: f64,
    /// The right to it.
    pub lease: Lease,
}

impl ClaimedChunk {
    /// Number of units.
    pub const fn units(&self) -> i64 {
        self.end_unit - self.first_unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_unit_once() {
        assert_eq!(Phase::chunked("p", 5, 2).ranges, [(0, 2), (2, 4), (4, 5)]);
        assert_eq!(Phase::chunked("p", 4, 2).ranges, [(0, 2), (2, 4)]);
        assert_eq!(Phase::chunked("p", 0, 2).ranges, [(0, 0)]);
        assert_eq!(Phase::chunked("p", 3, 0).ranges, [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(Phase::chunked("p", 5, 2).units(), 5);
    }

    #[test]
    fn phases_that_cannot_end_are_refused() {
        assert!(Phase::single("list").check().is_ok());
        assert!(
            Phase {
                name: "p".into(),
                ranges: vec![]
            }
            .check()
            .is_err()
        );
        assert!(
            Phase {
                name: "p".into(),
                ranges: vec![(3, 2)]
            }
            .check()
            .is_err()
        );
    }
}
