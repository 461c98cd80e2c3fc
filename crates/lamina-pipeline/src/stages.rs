//! Where the time of an ingest or an enrichment goes: CPU time by stage, for the bench and the metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The stages of one picture's way through an ingest or an enrichment that run on threads of our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the bytes from the source.
    Fetch,
    /// SHA-256.
    Hash,
    /// Bytes to turned pixels.
    Decode,
    /// Blur, dark, bright.
    Measure,
    /// Lossy WebP.
    Thumbnail,
    /// Resize and normalise for the model.
    ModelInput,
    /// An object cut out of its picture.
    Crop,
}

impl Stage {
    /// All stages, in the order a picture passes them.
    pub const ALL: [Self; 7] = [
        Self::Fetch,
        Self::Hash,
        Self::Decode,
        Self::Measure,
        Self::Thumbnail,
        Self::ModelInput,
        Self::Crop,
    ];

    /// Name for tables and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Hash => "hash",
            Self::Decode => "decode",
            Self::Measure => "measure",
            Self::Thumbnail => "thumbnail",
            Self::ModelInput => "model_input",
            Self::Crop => "crop",
        }
    }
}

/// CPU time spent per stage since the start, over all threads.
#[derive(Debug, Default)]
pub struct StageTimes {
    nanoseconds: [AtomicU64; Stage::ALL.len()],
}

impl StageTimes {
    /// Runs `work` and books the CPU time of this thread under `stage`.
    pub fn run<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = thread_cpu();
        let result = work();
        let spent = thread_cpu().saturating_sub(start);
        if let Some(total) = self.nanoseconds.get(stage as usize) {
            total.fetch_add(
                u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX),
                Ordering::Relaxed,
            );
        }
        result
    }

    /// CPU time of one stage so far.
    pub fn of(&self, stage: Stage) -> Duration {
        let nanoseconds = self
            .nanoseconds
            .get(stage as usize)
            .map_or(0, |total| total.load(Ordering::Relaxed));
        Duration::from_nanos(nanoseconds)
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_booked_under_its_stage_only() {
        let times = StageTimes::default();
        let sum = times.run(Stage::Hash, || {
            (0..2_000_000_u64).fold(0_u64, |a, b| a.wrapping_mul(31) ^ b)
        });
        assert_ne!(sum, 1);
        assert!(times.of(Stage::Hash) > Duration::ZERO);
        assert_eq!(times.of(Stage::Decode), Duration::ZERO);
    }
}
