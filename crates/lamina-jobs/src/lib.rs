//! A durable queue in Postgres: enqueue in the caller's transaction, claim, lease, heartbeat, retry, wake-up.
//!
//! Owns the tables `jobs`, `job_states` and `job_chunks` and the only code that writes them. Knows no domain: a job has a
//! kind, an owner (for fair shares), a subject (for look-ups) and a spec, and what those mean is the handler's business.
//!
//! How one job flows through:
//!
//! 1. [`enqueue()`] writes spec, state and the chunks of the first phase in the caller's transaction; `NOTIFY` wakes runners.
//! 2. A [`Runner`] claims one chunk per free slot in a single statement (due, or its lease ran out; by priority, then the
//!    owner with the fewest running chunks, then age) and gives it a lease with a fresh token. The attempt is counted now,
//!    so a chunk that ends the process is counted too.
//! 3. The handler works outside any transaction. Heartbeats come from a task of their own. Intermediate writes call
//!    [`JobContext::fence`]; the last write calls [`JobContext::complete`] in the transaction that has the effects. Both
//!    fail once the lease is somebody else's: effects happen once although work may happen twice.
//! 4. The last chunk of a phase to complete starts the next phase, or ends the job.
//! 5. A chunk that keeps failing, or keeps ending its worker, is cut in half until one unit is left to blame; that unit is
//!    handed to the handler as *exhausted*, and the rest of the job goes on.
//!
//! All times are the database's (`now()`), so clocks of hosts need not agree.

mod claim;
mod context;
mod enqueue;
mod error;
mod failpoints;
mod failure;
mod job;
mod leases;
mod progress;
mod runner;
mod telemetry;
mod wake;

pub use claim::{ClaimRequest, claim};
pub use context::{Closing, Completed, JobContext, Settled};
pub use enqueue::{Restart, cancel, cancel_of_subject, enqueue, restart};
pub use error::{JobError, QueueError};
pub use failpoints::FAIL_POINTS;
pub use job::{ClaimedChunk, Job, Lease, NewJob, Next, Phase};
pub use progress::{JobProgress, JobState, latest_of_subject, live_of_subject, progress};
pub use runner::{JobHandler, Runner, RunnerConfig};
pub use telemetry::{QueueHealth, queue_health};
pub use wake::CHANNEL;
