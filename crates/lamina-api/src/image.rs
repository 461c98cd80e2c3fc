//! One picture by itself (contract 10.1).

use lamina_types::IssueType;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{BoxInfo, MediaInfo};

/// Answer of `GET /image/{id}`: a preview without scores, and what is known of the item beyond it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ImageInfo {
    /// The dataset it belongs to.
    pub dataset_id: Uuid,
    /// What is shown.
    #[serde(flatten)]
    pub media: MediaInfo,
    /// 0 = has very close neighbours, 1 = stands alone; null until indexed.
    pub uniqueness_score: Option<f32>,
    /// What is wrong with it; empty when nothing is.
    pub issues: Vec<ImageIssue>,
    /// The objects on the picture; empty for objects.
    pub objects: Vec<ObjectInfo>,
}

/// An object on a picture.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ObjectInfo {
    /// The object; `GET /image/{object_id}` knows more of it.
    pub object_id: Uuid,
    /// What it is.
    pub label: String,
    /// How sure the model was, 0 to 1; null when no model found it.
    pub confidence: Option<f32>,
    /// Where it is, as fractions of the picture.
    pub bounding_box: BoxInfo,
    /// `User`, `Visual Layer` or `Model`.
    pub source: String,
}

/// One issue of a picture (contract 22.5).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ImageIssue {
    /// The number clients know the issue by.
    pub type_id: u8,
    /// `blur`, `dark`, ...
    #[schema(value_type = String)]
    pub issue_type: IssueType,
    /// 0 to 1, higher is surer.
    pub confidence: f32,
    /// On `mislabels`: the label that similar items have. Absent on the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub issues_description: Option<String>,
}

impl ImageIssue {
    /// An issue with its confidence.
    pub fn new(issue_type: IssueType, confidence: f32) -> Self {
        Self {
            type_id: issue_type.number(),
            issue_type,
            confidence,
            issues_description: None,
        }
    }

    /// The issue with the label that should be there.
    pub fn suggesting(self, label: Option<String>) -> Self {
        Self {
            issues_description: label,
            ..self
        }
    }
}
