//! Snapshots of datasets (contract 16).

use crate::text_enum;

text_enum!(
    /// Why a snapshot was made.
    SnapshotReason, "snapshot reason", {
        /// Somebody asked for it.
        Manual = "manual",
        /// The dataset was indexed for the first time.
        Creation = "creation",
        /// The dataset was made of another one's snapshot.
        Clone = "clone",
    }
);
