//! Detectors on the real library.

mod broken;
mod golden;
mod weights;
