//! Model packages from elsewhere: the catalog, downloads from hubs, local folders in a hub's layout.
//!
//! The only code of Lamina that opens an outbound connection, and only `lamina models` runs it: `serve` and `worker` never do. Owns
//! `ureq`. Everything here blocks; must not know datasets, slots or HTTP of our own.
//!
//! One pull: [`Catalog::read`] finds the entry; [`pull()`] takes the lock of its staging folder, lets [`Hub`] fetch each file into it
//! (what an earlier run has fetched is hashed and gone on from), writes the manifest, lets `lamina-inference` check the package as it
//! will be checked at every use, and moves the folder into its place in one step. Whatever ends a pull before that leaves the staging
//! folder for the next one, and nothing installed.

mod add;
mod catalog;
mod client;
mod error;
mod fetch;
mod install;
mod labels;
mod layout;
mod preprocessor;
mod pull;
mod record;

pub use add::{AddOptions, Added, add};
pub use catalog::{Catalog, CatalogEntry, CatalogFile, HubKind};
pub use client::{Hub, HubOptions};
pub use error::{CatalogError, HubError, LayoutError};
pub use install::remove;
pub use pull::{Progress, Pulled, PulledFile, pull};
pub use record::PullRecord;
