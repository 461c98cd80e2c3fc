//! The words of Lamina: ids, statuses and their legal moves, boxes, scores, job specs.
//!
//! Pure data. Knows nothing of HTTP, SQL, models or files; every other crate may use it and it uses none of them.
//! A value that exists is valid: constructors check, and the wire or column text of each enum is said once, here.

mod cluster;
mod dataset;
mod embedding;
mod export;
mod geometry;
mod hash;
mod ids;
mod issue;
mod jobs;
mod outcome;
mod score;
mod slots;
mod snapshot;
mod space;

pub use cluster::cluster_id;
pub use dataset::{DatasetStatus, EntityType, ServeMode, SourceType};
pub use embedding::{Embedding, EmbeddingError};
pub use export::{ExportFormat, ExportStatus};
pub use geometry::{BoundingBox, BoundingBoxError};
pub use hash::{ContentHash, ContentHashError};
pub use ids::{
    AnchorId, ClusterId, ContextId, DatasetId, DuplicateGroupId, ExportId, JobId, MediaId,
    ObjectId, TagId, UserId,
};
pub use issue::{IssueType, Severity};
pub use jobs::{
    AddSpec, AnnotateSpec, CloneSpec, EnrichSpec, EnrichStep, ExportSpec, IngestSource, IngestSpec,
    JobKind, RebuildSpec, ReindexSpec, RemoveSpec, RestoreSpec,
};
pub use outcome::{RejectReason, Rejection};
pub use score::{DEFAULT_ANCHOR_DISTANCE, LEVELS, SimilarityThreshold, ThresholdError};
pub use slots::{CAPTION_TEXT_SLOT, EnrichmentStatus, EnrichmentType, INDEX_SLOT, Slot};
pub use snapshot::SnapshotReason;
pub use space::{Space, SpaceKey};

/// A text that is none of the known values of an enumeration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a known {what}")]
pub struct UnknownValue {
    /// What was expected, for people: `dataset status`.
    pub what: &'static str,
    /// The text that was found.
    pub value: String,
}

/// An enumeration whose variants are known by one text each, in columns and on the wire.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one text of this value, as stored and sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownValue;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::UnknownValue { what: $what, value: text.to_owned() }),
                }
            }
        }
    };
}
pub(crate) use text_enum;
