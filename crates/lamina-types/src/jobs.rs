//! Job specs: what is to be done, as data, so that the web process can enqueue without linking the worker.

use serde::{Deserialize, Serialize};

use crate::{
    ContentHash, DatasetId, DatasetStatus, EnrichmentType, EntityType, ExportId, ServeMode, Space,
    SpaceKey, text_enum,
};

text_enum!(
    /// The kinds of jobs. The API's task types are derived from them.
    JobKind, "job kind", {
        /// Fill a dataset from its source and index it.
        Ingest = "ingest",
        /// Apply models to a copy of a dataset.
        Enrich = "enrich",
        /// Rebuild the derived files of a dataset from its vectors.
        Rebuild = "rebuild",
        /// Remove a deleted dataset's rows and the blobs that nothing else uses.
        Remove = "remove",
        /// Take over annotations that people bring.
        Annotate = "annotate",
        /// Add media to a dataset.
        Add = "add",
        /// Derive the clusters of a dataset anew.
        Reindex = "reindex",
        /// Make a dataset what it was at a snapshot.
        Restore = "restore",
        /// Make a dataset of a snapshot.
        Clone = "clone",
        /// Write the archive of an export.
        Export = "export",
    }
);

impl JobKind {
    /// The phase that a job of this kind starts with: one chunk that looks at what there is to do.
    pub const fn first_phase(self) -> &'static str {
        match self {
            Self::Ingest => "list",
            Self::Enrich => "copy",
            Self::Rebuild => "rebuild",
            Self::Remove => "remove",
            Self::Annotate => "match",
            Self::Add => "list",
            Self::Reindex => "reindex",
            Self::Restore => "restore",
            Self::Clone => "clone",
            Self::Export => "write",
        }
    }
}

/// Where the files of an ingest come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IngestSource {
    /// A directory the server can see.
    Folder {
        /// Absolute path.
        path: String,
    },
    /// A text, CSV or other list of files the server can see.
    FileList {
        /// Absolute path of the list.
        path: String,
    },
    /// The objects of a bucket below a prefix. Which keys open it is the business of whoever reads it.
    Bucket {
        /// Its name.
        bucket: String,
        /// Beginning of the keys; empty for all.
        prefix: String,
    },
    /// A list of files at an address, `s3://` or `http(s)://`.
    RemoteList {
        /// The address of the list.
        address: String,
    },
    /// A zip archive the server can see.
    ArchiveFile {
        /// Absolute path.
        path: String,
    },
    /// A zip archive that was uploaded into the blob store.
    ArchiveBlob {
        /// Its content hash.
        content: ContentHash,
        /// Its name when it was uploaded.
        file_name: String,
    },
    /// Files sent through an upload transaction.
    Upload {
        /// The transaction.
        transaction: i64,
    },
}

/// Fill a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestSpec {
    /// The dataset, which exists and is `INDEXING`.
    pub dataset_id: DatasetId,
    /// Where from.
    pub source: IngestSource,
    /// Absolute paths that files of the source must lie below: those the server allows for requests, those the operator
    /// named for imports. Part of the spec, so that what was allowed when the job was made decides.
    pub roots: Vec<String>,
    /// Whether originals are copied.
    pub serve_mode: ServeMode,
}

/// Fill a copy of a dataset with what models say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrichSpec {
    /// The copy, which exists and is `INDEXING`.
    pub dataset_id: DatasetId,
    /// What it is a copy of, `READ ONLY` for as long as the job lives.
    pub source_dataset_id: DatasetId,
    /// Dependencies first. Packages and parameters are those that were bound when it was asked for: a later binding
    /// changes later enrichments.
    pub steps: Vec<EnrichStep>,
    /// What embeds captions; none when nothing that is installed reads sentences.
    pub caption_text: Option<SpaceKey>,
}

/// One model of an enrichment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrichStep {
    /// What it adds.
    pub enrichment_type: EnrichmentType,
    /// What the API calls the model.
    pub slot: String,
    /// The package behind it, with its parameters.
    pub key: SpaceKey,
}

/// Rebuild one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildSpec {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// Which entities.
    pub entity_type: EntityType,
    /// Which vectors.
    pub space: Space,
}

/// Remove a dataset that was marked deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveSpec {
    /// The dataset.
    pub dataset_id: DatasetId,
}

/// Take over annotations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnotateSpec {
    /// The dataset.
    pub dataset_id: DatasetId,
    /// The import, whose rows are there.
    pub import_id: uuid::Uuid,
}

/// Write the archive of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportSpec {
    /// The export, whose row says the rest.
    pub export_id: ExportId,
}

/// Add media to a dataset that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddSpec {
    /// The dataset, which is `READ ONLY` for as long as the job lives.
    pub dataset_id: DatasetId,
    /// Numbers this addition among those of the dataset, from 1; 0 is its creation.
    pub batch: u32,
    /// The batch, as the API knows it.
    pub batch_id: uuid::Uuid,
    /// Where from.
    pub source: IngestSource,
    /// As in an [`IngestSpec`].
    pub roots: Vec<String>,
    /// Whether originals are copied.
    pub serve_mode: ServeMode,
    /// Whether clusters are derived anew at once.
    pub auto_reindex: bool,
    /// What the dataset was, and is again when this fails.
    pub previous: DatasetStatus,
}

/// Derive the clusters of a dataset anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReindexSpec {
    /// The dataset, which was `PARTIAL INDEX` and is `READ ONLY` for as long as the job lives.
    pub dataset_id: DatasetId,
}

/// Make a dataset what it was at a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSpec {
    /// The dataset, which is `READ ONLY` for as long as the job lives.
    pub dataset_id: DatasetId,
    /// The snapshot.
    pub snapshot_id: DatasetId,
    /// What the dataset was, and is again when this fails.
    pub previous: DatasetStatus,
}

/// Fill a new dataset with what a snapshot holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneSpec {
    /// The new dataset, which exists and is `INDEXING`.
    pub dataset_id: DatasetId,
    /// The snapshot.
    pub snapshot_id: DatasetId,
}
