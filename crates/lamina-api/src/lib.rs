//! The words of the wire: request-independent answer types, the error envelope and the table of error codes.
//!
//! Owns the shape of every JSON document Lamina sends: names, nullability, number formats, and their `OpenAPI` schemas. Serde
//! renames appear only where Visual Layer's name differs from ours. Knows nothing of HTTP frameworks, SQL or how an answer
//! is found: `lamina-http` fills these types from rows and views and writes them out.
//!
//! Nullability is part of the contract: an `Option` field is sent as `null` and never left out, a field without `Option` is
//! never null.

mod anchor;
mod annotations;
mod cluster;
mod custom_metadata;
mod dataset;
mod enrichment;
mod error;
mod explore;
mod export;
mod features;
mod health;
mod image;
mod ingestion;
mod people;
mod preview;
mod process;
mod saved_view;
mod snapshot;
mod tags;
mod task;
mod time;
mod vector_search;

pub use anchor::AnchorAnswer;
pub use annotations::{AnnotationImport, AnnotationProblem};
pub use cluster::{ClusterInfo, ClusterMembers};
pub use custom_metadata::{MetadataField, MetadataTask, MetadataTaskStatus, MetadataValue};
pub use dataset::{
    CreatedDataset, CreationStatus, DatasetInfo, DatasetStats, DeletedDataset, SampleDataset,
};
pub use enrichment::{
    AbortedEnrichment, AppliedModels, EnrichedDataset, EnrichmentContext, EnrichmentPreview,
    EnrichmentPreviews, EnrichmentProgress, ModelInfo, SampleLabel, SampleObject,
    SampleObjectCaption, SampleResult,
};
pub use error::{Detail, ErrorBody, ErrorCode, FieldError, LocPart};
pub use explore::{ExplorationMetadata, ExploreAnswer, ExploreMetadata, LabelCount};
pub use export::ExportTask;
pub use features::{Feature, FeatureOptions, UserConfig};
pub use health::{HealthAnswer, ReadyAnswer};
pub use image::{ImageInfo, ImageIssue, ObjectInfo};
pub use ingestion::{NewDataset, OpenedTransaction, UploadedArchive};
pub use people::{
    ApiCredentials, Empty, MemberInfo, MemberList, Message, OrganizationInfo, OrganizationList,
    Publicity, SessionInfo, SessionList, SettingValue, ShareInfo, SignedIn, UserInfo, UserList,
    WorkspaceAccess, WorkspaceInfo, WorkspaceList, WorkspacePermissions,
};
pub use preview::{BoxInfo, MediaInfo, Preview, TagInfo};
pub use process::{ProcessFailure, ProcessStarted};
pub use saved_view::{
    AllMarkedRead, Creator, MarkedRead, NotificationEvent, NotificationInfo, NotificationList,
    SavedView, SavedViewList, TrendPoint, UnreadCount, ViewAlerting, ViewStats, ViewTrend,
};
pub use snapshot::SnapshotInfo;
pub use tags::{DeletedTag, TagChange, TagDetails};
pub use task::{TaskFilters, TaskInfo, TaskList};
pub use time::{Timestamp, WholeSeconds};
pub use vector_search::{EmbeddingModel, VectorSearchAnswer, VectorSearchResult};

/// What `relevance_score_type` says whenever there is a score: lower is better, 0 is identical, at most 2.
pub const COSINE_DISTANCE: &str = "cosine_distance";
