//! What a pool has done, as plain numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Lane;

/// What one lane has seen since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LaneReport {
    /// Items that wait now.
    pub waiting: usize,
    /// Items that went into a batch.
    pub items: u64,
    /// Sum of their waiting times, seconds.
    pub wait_seconds: f64,
    /// The longest of them, seconds.
    pub longest_wait_seconds: f64,
}

/// What the pool of one graph has seen since its warm-up. Sums, so that rates and means can be formed over any time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PoolReport {
    /// Whether its threads take batches. Not so after a shutdown or when the device was lost.
    pub is_running: bool,
    /// The interactive lane.
    pub interactive: LaneReport,
    /// The bulk lane.
    pub bulk: LaneReport,
    /// Runs of the graph, failed ones included; a halved batch counts each part.
    pub batches: u64,
    /// Items in them.
    pub items: u64,
    /// Time in them, seconds.
    pub run_seconds: f64,
    /// CPU time that the thread of the session spent in them, seconds: all there is to a run on the CPU with one thread a
    /// session, less than that with more threads.
    pub run_cpu_seconds: f64,
    /// Batches that failed for good.
    pub failed_batches: u64,
    /// Batches that were halved for want of memory.
    pub halved_batches: u64,
    /// Sessions that were lost with their device and started again.
    pub rebuilt_sessions: u64,
    /// Items dropped unrun because their caller had gone.
    pub abandoned_items: u64,
    /// Vectors that could not be used (not finite, no direction).
    pub bad_vectors: u64,
    /// Interactive requests refused because the lane was full.
    pub overloaded_requests: u64,
    /// Whether the last batch went well; true before the first.
    pub is_last_batch_good: bool,
    /// The last failure of a batch.
    pub last_error: Option<String>,
}

impl PoolReport {
    /// Mean time of a run in milliseconds, 0 before the first.
    pub fn mean_batch_ms(&self) -> f64 {
        if self.batches == 0 {
            0.0
        } else {
            self.run_seconds * 1000.0 / self.batches as f64
        }
    }

    /// Mean number of items in a run, 0 before the first.
    pub fn mean_batch_size(&self) -> f64 {
        if self.batches == 0 {
            0.0
        } else {
            self.items as f64 / self.batches as f64
        }
    }
}

/// The numbers behind the report. A mutex, because they change a few times for each batch and not for each item.
#[derive(Default)]
pub(super) struct Counters(Mutex<Numbers>);

#[derive(Default)]
struct Numbers {
    report: PoolReport,
    has_bad_batch: bool,
}

impl Counters {
    pub(super) fn taken(&self, waits: impl Iterator<Item = (Lane, Duration)>, abandoned: usize) {
        let mut numbers = self.lock();
        numbers.report.abandoned_items += abandoned as u64;
        for (lane, wait) in waits {
            let seconds = wait.as_secs_f64();
            let lane = match lane {
                Lane::Interactive => &mut numbers.report.interactive,
                Lane::Bulk => &mut numbers.report.bulk,
            };
            lane.items += 1;
            lane.wait_seconds += seconds;
            lane.longest_wait_seconds = lane.longest_wait_seconds.max(seconds);
        }
    }

    pub(super) fn ran(&self, items: usize, took: Duration, cpu: Duration) {
        let mut numbers = self.lock();
        numbers.report.batches += 1;
        numbers.report.items += items as u64;
        numbers.report.run_seconds += took.as_secs_f64();
        numbers.report.run_cpu_seconds += cpu.as_secs_f64();
    }

    pub(super) fn halved(&self) {
        self.lock().report.halved_batches += 1;
    }

    pub(super) fn rebuilt(&self) {
        self.lock().report.rebuilt_sessions += 1;
    }

    pub(super) fn bad_vector(&self) {
        self.lock().report.bad_vectors += 1;
    }

    pub(super) fn finished(&self, failure: Option<String>) {
        let mut numbers = self.lock();
        numbers.has_bad_batch = failure.is_some();
        if let Some(failure) = failure {
            numbers.report.failed_batches += 1;
            numbers.report.last_error = Some(failure);
        }
    }

    pub(super) fn overloaded(&self) {
        self.lock().report.overloaded_requests += 1;
    }

    pub(super) fn mean_batch_seconds(&self) -> f64 {
        self.lock().report.mean_batch_ms() / 1000.0
    }

    pub(super) fn report(&self, interactive: usize, bulk: usize, is_running: bool) -> PoolReport {
        let numbers = self.lock();
        let mut report = numbers.report.clone();
        report.interactive.waiting = interactive;
        report.bulk.waiting = bulk;
        report.is_running = is_running;
        report.is_last_batch_good = !numbers.has_bad_batch;
        report
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
