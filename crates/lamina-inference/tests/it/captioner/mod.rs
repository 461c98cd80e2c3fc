//! Captioners on the real library.

mod faults;
mod golden;
mod inputs;
mod shared;
mod support;
