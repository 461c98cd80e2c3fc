//! A flag that long loops look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::IndexError;

/// Asks running work to end. Clones share one flag; once raised it stays raised.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag. Work notices within about one block of rows and returns [`IndexError::Stopped`].
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is raised.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// For `?` inside loops.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        if self.is_stopped() {
            Err(IndexError::Stopped)
        } else {
            Ok(())
        }
    }
}
