//! What Lamina remembers: Postgres repositories, migrations, secrets at rest and the blob store.
//!
//! Owns every SQL statement about users, datasets, contents, media, outputs and generations, and every byte of the blob
//! directory. Must not know HTTP, models, decoding or how jobs are claimed (the `lamina-jobs` crate has its own tables).
//!
//! How one request flows through: the caller takes a connection or a transaction from the pool, asks
//! [`datasets::access`] for the right to a dataset, and passes the same executor to functions of the other modules. Each
//! function runs as few statements as it can and never holds a transaction of its own, so callers choose what is atomic.
//! Values that come out of a row are typed and valid; a row that is not is [`StoreError::Database`] of class internal.

pub mod accounts;
pub mod additions;
pub mod anchors;
pub mod annotation_imports;
pub mod annotations;
pub mod batches;
pub mod bindings;
mod blob;
pub mod boxes;
pub mod caption_texts;
pub mod captions;
mod columns;
pub mod contents;
pub mod copies;
pub mod custom_fields;
mod database;
pub mod datasets;
pub mod enrichment;
mod error;
pub mod exports;
pub mod facts;
mod failpoints;
pub mod generations;
pub mod identities;
pub mod keys;
pub mod measures;
pub mod media;
pub mod notifications;
pub mod objects;
pub mod outputs;
pub mod passwords;
pub mod regions;
pub mod remote;
pub mod removal;
pub mod said;
mod secrets;
pub mod sessions;
pub mod settings;
pub mod shares;
pub mod shown;
pub mod snapshots;
pub mod source_items;
pub mod spaces;
mod sqlstate;
pub mod tags;
pub mod tasks;
pub mod text_vectors;
pub mod uploads;
pub mod users;
pub mod vectors;
pub mod verify;
pub mod views;
pub use blob::{BlobOptions, BlobStore, StoredBlob};
pub use database::{DatabaseOptions, MIGRATOR, connect, migrate};
pub use error::{BlobError, ErrorClass, StoreError};
pub use failpoints::FAIL_POINTS;
pub use secrets::{LinkKey, SealedSecret, Secret, Secrets, SecretsError};
pub use users::{Principal, Role};

/// Re-exported so that callers name the same version of the database library.
pub use sqlx;
