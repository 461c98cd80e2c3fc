//! The parameters of exports, checked.

use lamina_types::{ClusterId, ExportFormat};

use crate::explore_query::ExploreQuery;
use crate::extract::{Fields, FromFields};

/// Longest name of an archive, bytes.
const MAX_NAME: usize = 200;

/// How an export is written.
#[derive(Debug, Clone, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportOptions {
    /// Name of the archive; `export.zip` when absent.
    #[param(value_type = Option<String>)]
    pub(crate) file_name: String,
    /// `json` (default), `parquet`, `csv`, `coco`, `voc` or `yolo`.
    #[param(value_type = Option<String>)]
    pub(crate) export_format: ExportFormat,
    /// Whether originals go along; no limit on their number.
    #[param(value_type = Option<bool>)]
    pub(crate) include_images: bool,
}

impl FromFields for ExportOptions {
    fn from_fields(fields: &mut Fields) -> Self {
        let formats: Vec<(&str, ExportFormat)> = ExportFormat::ALL
            .iter()
            .map(|format| (format.as_str(), *format))
            .collect();
        let name = fields.raw("file_name").unwrap_or_default();
        Self {
            file_name: archive_name(name),
            export_format: fields
                .word("export_format", &formats)
                .unwrap_or(ExportFormat::Json),
            include_images: fields.boolean("include_images").unwrap_or(false),
        }
    }
}

/// A name that is safe in a header and on every disk, always ending in `.zip`.
fn archive_name(wanted: &str) -> String {
    let last = wanted.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut name: String = last
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || " ._-()".contains(*c))
        .take(MAX_NAME)
        .collect();
    if name.trim_matches([' ', '.']).is_empty() {
        name = "export".to_owned();
    }
    if !name.to_ascii_lowercase().ends_with(".zip") {
        name.push_str(".zip");
    }
    name
}

/// What of a dataset is exported, and how.
#[derive(Debug, Clone, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    #[param(ignore)]
    pub(crate) explore: ExploreQuery,
    #[param(ignore)]
    pub(crate) options: ExportOptions,
    /// Only this cluster of an explore answer.
    #[param(value_type = Option<uuid::Uuid>)]
    pub(crate) cluster_id: Option<ClusterId>,
    /// Leave out so many of the best.
    #[param(value_type = Option<u32>)]
    pub(crate) offset: usize,
    /// At most so many.
    #[param(value_type = Option<u32>)]
    pub(crate) limit: Option<usize>,
}

impl FromFields for ExportQuery {
    fn from_fields(fields: &mut Fields) -> Self {
        let whole = |fields: &mut Fields, name: &str| {
            fields
                .integer(name, 0..=i64::from(u32::MAX))
                .and_then(|number| usize::try_from(number).ok())
        };
        Self {
            explore: ExploreQuery::from_fields(fields),
            options: ExportOptions::from_fields(fields),
            cluster_id: fields.uuid("cluster_id").map(ClusterId::from_uuid),
            offset: whole(fields, "offset").unwrap_or_default(),
            limit: whole(fields, "limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_names_are_plain() {
        for (wanted, name) in [
            ("", "export.zip"),
            ("../../x", "x.zip"),
            ("a b.ZIP", "a b.ZIP"),
            ("\"\r\nevil: 1", "evil 1.zip"),
            ("...", "export.zip"),
        ] {
            assert_eq!(archive_name(wanted), name);
        }
    }
}
