//! Captioners on the real library.

mod golden;
mod shared;
mod support;
