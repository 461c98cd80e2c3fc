//! Detectors on the real library.

mod golden;
mod weights;
