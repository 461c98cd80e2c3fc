//! What became of a single file. A bad file is a row in a report, never a failed dataset.

use serde::{Deserialize, Serialize};

use crate::text_enum;

text_enum!(
    /// Why a file was not taken, a closed list so that reports can be counted.
    RejectReason, "reject reason", {
        /// Not one of the supported picture formats.
        UnsupportedFormat = "unsupported_format",
        /// The decoder refused the bytes.
        Damaged = "damaged",
        /// No bytes at all.
        Empty = "empty",
        /// More bytes than a single file may have.
        TooManyBytes = "too_many_bytes",
        /// More pixels, or a longer side, than a picture may have.
        TooManyPixels = "too_many_pixels",
        /// Decoding would take more memory than one picture may take.
        TooMuchMemory = "too_much_memory",
        /// The decoder broke down on these bytes.
        DecoderPanic = "decoder_panic",
        /// A link, pipe, socket or device.
        NotARegularFile = "not_a_regular_file",
        /// The file could not be read.
        Unreadable = "unreadable",
        /// An archive entry that is encrypted, nested, lying about its size or compressed beyond belief.
        ArchiveLimit = "archive_limit",
        /// Handling this file alone ended the worker more than once.
        EndedTheWorker = "ended_the_worker",
        /// The model gave no usable vector for it.
        NoEmbedding = "no_embedding",
        /// The model failed each time it was shown this picture, while it dealt with others.
        ModelFailed = "model_failed",
    }
);

/// One rejected file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Why, for counting.
    pub reason: RejectReason,
    /// Why, for people; no paths of the server.
    pub detail: String,
}

impl Rejection {
    /// A rejection with its explanation.
    pub fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
        }
    }
}

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)
    }
}
