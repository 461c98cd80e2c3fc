//! One media item as every format needs it, before it is put into the words of one.

use lamina_types::{BoundingBox, ClusterId, DuplicateGroupId, IssueType, MediaId, ObjectId};

/// Who said something: the contract's word (`User`, `Visual Layer`, `Model`).
pub type Source = &'static str;

/// A label of a whole picture.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelItem {
    /// Its name.
    pub name: String,
    /// Who said so.
    pub source: Source,
    /// In the annotations it came with; -1 when it came with none.
    pub original_id: i64,
}

/// A box with a label.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectItem {
    /// Unique across datasets.
    pub id: ObjectId,
    /// Fractions of the turned picture.
    pub region: BoundingBox,
    /// What it is.
    pub label: String,
    /// Who said so.
    pub source: Source,
    /// In the annotations it came with; -1 when it came with none.
    pub original_id: i64,
    /// How sure a model was, 0 to 1.
    pub confidence: Option<f32>,
    /// 0 (has close neighbours) to 1 (stands alone), once objects are indexed.
    pub uniqueness: Option<f32>,
    /// Text about it.
    pub caption: Option<String>,
    /// Cosine distance to what was searched for.
    pub distance: Option<f32>,
}

/// Membership in a group of near-copies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuplicateItem {
    /// Similarity from which on the group's members belong together, 0 to 1.
    pub step: f32,
    /// The group.
    pub group: DuplicateGroupId,
    /// 0 to 1.
    pub confidence: f32,
}

/// A tag with the time it was put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagItem {
    /// Its name.
    pub name: String,
    /// When.
    pub assigned_at: chrono::DateTime<chrono::Utc>,
}

/// One picture with everything that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Unique across datasets.
    pub media_id: MediaId,
    /// Within the dataset.
    pub ordinal: u32,
    /// Base name.
    pub file_name: String,
    /// Path inside the source.
    pub file_path: String,
    /// Bytes of the original.
    pub byte_size: u64,
    /// Pixels of the turned picture.
    pub width: u32,
    /// Pixels of the turned picture.
    pub height: u32,
    /// 0 to 1.
    pub uniqueness: Option<f32>,
    /// Cosine distance to what was searched for.
    pub distance: Option<f32>,
    /// Cluster at the export's level.
    pub cluster_id: Option<ClusterId>,
    /// Issues but for near-copies, with their confidence, 0 to 1.
    pub issues: Vec<(IssueType, f32)>,
    /// The label that similar pictures have, where the own one may be wrong.
    pub suggested_label: Option<String>,
    /// Groups of near-copies, one for each step of the ladder that has one.
    pub duplicates: Vec<DuplicateItem>,
    /// Labels of the whole picture.
    pub labels: Vec<LabelItem>,
    /// Boxes.
    pub objects: Vec<ObjectItem>,
    /// Text about it, with who wrote it.
    pub caption: Option<(String, Source)>,
    /// Tags.
    pub tags: Vec<TagItem>,
}

/// What a document says about the export as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Name of the dataset.
    pub dataset: String,
    /// Page of the dataset, absolute; pages of pictures hang below it.
    pub dataset_url: String,
    /// When the dataset was made.
    pub created_at: chrono::DateTime<chrono::Utc>,
    /// When the export is made.
    pub exported_at: chrono::DateTime<chrono::Utc>,
    /// Name of who asked.
    pub exported_by: String,
    /// Number of pictures that follow.
    pub items: u64,
}
