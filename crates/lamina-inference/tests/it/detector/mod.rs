//! Detectors on the real library.

mod weights;
