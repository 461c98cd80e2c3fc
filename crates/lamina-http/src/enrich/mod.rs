//! Enrichment behind the wire: what a request asks for, which models answer to it, how a run begins, stands and is stopped.

mod models;
mod request;
mod run;
mod steps;

pub use models::{ModelSide, Sample, SampleError, Samples, UsableModel};
pub use request::{EnrichRequest, Wanted};
pub(crate) use run::{Standing, standing};
pub use run::{abort, begin};
pub use steps::{EnrichPlan, plan};
