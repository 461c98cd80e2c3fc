//! Datasets: status and its legal moves (contract 1.7), entity types, sources.

use crate::text_enum;

text_enum!(
    /// Status of a dataset, spelt as on the wire (`status_new`, with spaces).
    DatasetStatus, "dataset status", {
        /// Being filled, processing not started.
        Draft = "DRAFT",
        /// Being indexed for the first time, or reindexed.
        Indexing = "INDEXING",
        /// Being changed; the old content can be browsed.
        ReadOnly = "READ ONLY",
        /// New media visible, clusters not rebuilt.
        PartialIndex = "PARTIAL INDEX",
        /// Complete.
        Ready = "READY",
        /// Failed; `fatal_error_msg` says why.
        Error = "ERROR",
    }
);

impl DatasetStatus {
    /// Whether the contract knows a move from this status to `next`. Staying is no move.
    pub const fn can_become(self, next: Self) -> bool {
        use DatasetStatus::{Draft, Error, Indexing, PartialIndex, ReadOnly, Ready};
        matches!(
            (self, next),
            (Draft, Indexing | Error)
                | (Indexing, Ready | Error)
                | (Ready | PartialIndex | Error, ReadOnly)
                // A creation that failed is tried again.
                | (Error, Indexing)
                | (ReadOnly, Ready | PartialIndex | Indexing | Error)
        )
    }

    /// Whether no work is expected to change this status by itself.
    pub const fn is_at_rest(self) -> bool {
        matches!(
            self,
            Self::Draft | Self::PartialIndex | Self::Ready | Self::Error
        )
    }

    /// Whether explore shows content (contract 1.7, column "search").
    pub const fn is_browsable(self) -> bool {
        matches!(self, Self::ReadOnly | Self::PartialIndex | Self::Ready)
    }

    /// The retired field `status` that older clients still read (contract 1.7).
    pub const fn legacy(self, is_copy: bool) -> &'static str {
        match self {
            Self::Draft => "NEW",
            Self::Indexing if is_copy => "ENRICHING",
            Self::Indexing => "INDEXING",
            Self::ReadOnly => "UPDATING",
            Self::PartialIndex | Self::Ready => "READY",
            Self::Error => "FATAL_ERROR",
        }
    }
}

text_enum!(
    /// What the clusters of an answer are made of.
    EntityType, "entity type", {
        /// Whole pictures.
        Images = "IMAGES",
        /// Boxes inside pictures.
        Objects = "OBJECTS",
    }
);

text_enum!(
    /// Where a dataset came from (contract 3.1).
    SourceType, "source type", {
        /// An S3 bucket.
        Bucket = "BUCKET",
        /// Files or an archive sent by the user.
        Upload = "UPLOAD",
        /// A folder or list of files the server can see.
        Folder = "FOLDER",
        /// Made by Lamina itself: the demo, a copy.
        Vl = "VL",
    }
);

text_enum!(
    /// Whether originals are copied into the blob store.
    ServeMode, "serve mode", {
        /// Originals are copied; the source may go away.
        Copy = "copy",
        /// Originals stay where they are and are read from there.
        ReduceDiskSpace = "reduce_disk_space",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_text_round_trips() {
        for status in DatasetStatus::ALL {
            assert_eq!(status.as_str().parse::<DatasetStatus>(), Ok(*status));
        }
    }

    #[test]
    fn moves_are_those_of_the_contract() {
        use DatasetStatus::{Draft, Error, Indexing, ReadOnly, Ready};
        assert!(
            Draft.can_become(Indexing) && Indexing.can_become(Ready) && Ready.can_become(ReadOnly)
        );
        assert!(ReadOnly.can_become(Ready) && Indexing.can_become(Error));
        for status in DatasetStatus::ALL {
            assert!(!status.can_become(*status) && !status.can_become(Draft));
        }
        assert!(!Error.can_become(Ready) && !Draft.can_become(Ready) && !Ready.can_become(Error));
    }
}
