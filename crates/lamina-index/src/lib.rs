//! Vectors in, order out: search, neighbours, clusters, duplicates, uniqueness, outliers, and the file that keeps them.
//!
//! Owns: the half-precision [`VectorBlock`], the forms of [`VectorIndex`] (exact below a limit, above it a graph grown by
//! `hnsw_rs`, or coarse rows where no graph leads), everything that is derived from nearest neighbours, and the generation file
//! format with its checks.
//! Must not know: Postgres, HTTP, models, files on disk (it turns values into bytes and back; somebody else stores them),
//! ids of media (all work is on dense ordinals). It starts no threads: parallel parts run on the rayon pool it is called in
//! (`pool.install(..)`), else on the global one.
//!
//! How one build flows through [`build`]: vectors -> identical rows collapsed ([`twins`](self)) -> nearest neighbours and
//! the spanning forest of near-copies, by blocked matrix products or by the graph -> five nested cluster levels ->
//! uniqueness, outliers, duplicate confidence -> [`Generation`], which [`Generation::encode`] turns into one checksummed
//! file. A reader verifies that file with [`Generation::decode`] and searches what [`open_index`] gives for its vectors.
//!
//! Distances everywhere are cosine distances, 0 (same direction) to 2 (opposite), never below 0, never NaN. A distance
//! below 1e-6 is 0: half-precision storage and f32 sums resolve no less.

mod all_pairs;
mod append;
mod clusters;
mod coarse;
mod column;
mod damage;
mod distance;
mod duplicates;
mod error;
mod exact;
mod file_bytes;
mod format;
mod frozen;
mod generation;
mod graph;
mod hits;
mod hnsw;
mod index;
mod int8;
mod kernels;
mod labels;
mod neighbours;
mod order;
mod products;
mod rows;
mod scores;
mod settings;
mod stop;
#[cfg(test)]
mod test_numbers;
mod twins;
mod vectors;
mod wide_bytes;

pub use append::append;
pub use coarse::CoarseIndex;
pub use damage::DamagedGeneration;
pub use duplicates::{DUPLICATE_LADDER, DUPLICATE_STEPS, Duplicates, duplicate_confidence};
pub use error::{ErrorClass, IndexError, VectorError};
pub use exact::ExactIndex;
pub use file_bytes::FileBytes;
pub use format::{ExpectedGeneration, FORMAT_VERSION};
pub use frozen::{FrozenGraph, FrozenIndex};
pub use generation::{Generation, GenerationHeader, build};
pub use hits::Hit;
pub use hnsw::HnswGraph;
pub use index::{VectorIndex, open_index};
pub use int8::Int8Index;
/// The vector instructions that distances are computed with on this machine, for reports.
pub fn instructions() -> &'static str {
    kernels::kernels().name()
}

pub use labels::{LabelIssues, label_issues};
pub use neighbours::Neighbours;
pub use settings::{DEFAULT_EXACT_LIMIT, DEFAULT_NEIGHBOURS, IndexSettings};
pub use stop::StopFlag;
pub use vectors::{VectorBlock, decode_vector, encode_vector};
