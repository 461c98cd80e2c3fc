//! The named points at which tests stop or break this crate (feature `failpoints`; nothing otherwise).
//!
//! Set by the environment, `FAILPOINTS=chunk_claimed=panic`, or by `fail::cfg` in a test.

/// Every fail point of this crate.
pub const FAIL_POINTS: &[&str] = &[
    // A job's rows are inserted, not committed.
    "job_enqueued",
    // A chunk is claimed and committed, its handler has not started.
    "chunk_claimed",
    // A chunk is marked done, not committed.
    "chunk_settled",
    // The next phase's chunks are inserted, not committed.
    "phase_started",
    // Before leases are renewed.
    "heartbeat",
    // Before a lease is given back on shutdown.
    "lease_release",
    // A failed job's rows are written, not committed.
    "job_failed",
];
