//! How long a model was busy with a chunk: the time during which at least one item was at it. Items overlap, so adding up
//! their waits would count the queue as work.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One model's clock.
#[derive(Debug, Default)]
pub(super) struct BusyClock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    inside: usize,
    since: Option<Instant>,
    total: Duration,
    items: u64,
}

/// An item at the model; dropped when it has its answer, or is given up.
pub(super) struct Visit<'a>(&'a BusyClock);

impl BusyClock {
    /// An item goes in.
    pub(super) fn enter(&self) -> Visit<'_> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.inside == 0 {
            state.since = Some(Instant::now());
        }
        state.inside += 1;
        state.items += 1;
        drop(state);
        Visit(self)
    }

    /// Seconds it was busy, and with how many items.
    pub(super) fn read(&self) -> (f64, u64) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.total.as_secs_f64(), state.items)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.inside = state.inside.saturating_sub(1);
        if state.inside == 0
            && let Some(since) = state.since.take()
        {
            state.total += since.elapsed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_visits_count_once() {
        let clock = BusyClock::default();
        let outside = Instant::now();
        {
            let _first = clock.enter();
            let inside = Instant::now();
            let _second = clock.enter();
            while inside.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
        }
        let whole = outside.elapsed().as_secs_f64();
        let (seconds, items) = clock.read();
        assert_eq!(items, 2);
        assert!(seconds >= 0.002 && seconds <= whole, "{seconds} of {whole}");
    }
}
