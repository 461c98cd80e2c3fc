//! The invariants of a healthy installation, checked read-only: rows against rows, rows against files.
//!
//! Numbers follow the project's list: V5 (every item finds itself), V9 (what a client was promised) and V10 (clusters are
//! partitions) need the index or a client and are checked elsewhere; V11 is `pg_amcheck`'s.

mod files;
mod rows;

use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{BlobStore, StoreError};

/// Most breaches that are spelt out per check.
const MOST_BREACHES: usize = 100;

/// How to check.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// Reads every original and every vector instead of looking only whether they are there.
    pub deep: bool,
    /// Files younger than this may be without a row.
    pub grace: Duration,
    /// The lease that workers use.
    pub lease: Duration,
    /// The attempts that workers make; two more are possible while a unit is given up.
    pub max_attempts: i32,
    /// How `lamina-index` computes a generation file's checksum.
    pub checksum_of: fn(&[u8]) -> [u8; 32],
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            deep: false,
            grace: Duration::from_secs(24 * 3600),
            lease: Duration::from_secs(30),
            max_attempts: 5,
            checksum_of: |bytes| Sha256::digest(bytes).into(),
        }
    }
}

/// One invariant and what breaks it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Check {
    /// `V1`, ...
    pub id: &'static str,
    /// What must hold.
    pub description: &'static str,
    /// Each breach in one line; the first hundred.
    pub breaches: Vec<String>,
    /// How many there are in all.
    pub breach_count: usize,
}

impl Check {
    fn new(id: &'static str, description: &'static str) -> Self {
        Self {
            id,
            description,
            breaches: Vec::new(),
            breach_count: 0,
        }
    }

    fn breach(&mut self, text: String) {
        self.breach_count += 1;
        if self.breaches.len() < MOST_BREACHES {
            self.breaches.push(text);
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// Every check, in order.
    pub checks: Vec<Check>,
}

impl VerifyReport {
    /// Whether nothing is broken.
    pub fn is_clean(&self) -> bool {
        self.checks.iter().all(|check| check.breach_count == 0)
    }
}

/// Checks everything the store can see. Changes nothing. On a busy installation a breach may be a matter of moments: look
/// again before believing it.
///
/// # Errors
/// The database or the disk cannot be read; a damaged or missing blob is a breach, not an error.
pub async fn verify(
    pool: &PgPool,
    blobs: &BlobStore,
    options: &VerifyOptions,
) -> Result<VerifyReport, StoreError> {
    let mut checks = rows::checks(pool, options).await?;
    checks.push(files::vectors(pool, options).await?);
    checks.push(files::generations(pool, blobs, options).await?);
    checks.push(files::contents(pool, blobs, options).await?);
    checks.push(files::orphans(pool, blobs, options).await?);
    checks.sort_by_key(|check| check.id);
    Ok(VerifyReport { checks })
}
