//! Files on their way in: multipart bodies that are metered, streamed to disk and hashed, never whole in memory.

mod metered;
mod parts;
mod spool;

pub use metered::UploadLimits;
pub(crate) use parts::{Part, Parts, missing_field};
pub(crate) use spool::{Spool, Spooled};
