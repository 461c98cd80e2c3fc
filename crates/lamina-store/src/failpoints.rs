//! The named points at which tests stop or break this crate (feature `failpoints`; nothing otherwise).
//!
//! Set by the environment, `FAILPOINTS=blob_renamed=return`, or by `fail::cfg` in a test. `return` makes the point fail with
//! an I/O error, `panic`, `sleep(ms)`, `pause` and `off` are those of the `fail` crate.

/// Every fail point of this crate.
pub const FAIL_POINTS: &[&str] = &[
    // Before a blob's temporary file is written.
    "blob_before_write",
    // The blob is complete under its final name; its row is not yet written.
    "blob_renamed",
    // An uploaded file is synced under its temporary name, not yet under its final one.
    "blob_file_synced",
    // Before a blob is deleted; its row is gone already.
    "blob_before_delete",
    // A batch of a deleted dataset's rows is deleted, not committed.
    "removal_batch_deleted",
    // Content rows are gone and committed, their blobs are not.
    "removal_rows_gone",
    // Media rows of a batch are inserted, not committed.
    "media_inserted",
    // The rows of a copy are inserted, not committed.
    "copy_filled",
    // The rows of a snapshot are inserted, not committed.
    "snapshot_filled",
    // What a snapshot had is put back, not committed.
    "snapshot_restored",
    // A generation's row is inserted, not committed.
    "generation_inserted",
];
