//! `metadata.json`: the export document of the original, schema 1.1 (contract 11.7), written item by item.

use std::io::Write;

use lamina_types::IssueType;
use serde::Serialize;
use serde_json::{Value, json};

use super::{FormatWriter, decimal, timestamp};
use crate::ExportError;
use crate::item::{About, Item, ObjectItem};

/// Version of the form.
const SCHEMA_VERSION: &str = "1.1";

/// Writes the document into `out`.
pub struct JsonWriter<W: Write> {
    out: W,
    dataset_url: String,
    is_first: bool,
}

#[derive(Serialize)]
struct MediaItem<'a> {
    media_id: String,
    media_type: &'static str,
    file_name: &'a str,
    file_path: &'a str,
    file_size: String,
    uniqueness_score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_confidence: Option<f32>,
    height: u32,
    width: u32,
    url: String,
    cluster_id: Option<String>,
    metadata_items: Vec<Value>,
}

impl<W: Write> JsonWriter<W> {
    /// Begins the document.
    ///
    /// # Errors
    /// The disk.
    pub fn begin(mut out: W, about: &About) -> Result<Self, ExportError> {
        let info = json!({
            "schema_version": SCHEMA_VERSION,
            "dataset": about.dataset,
            "description": format!("Exported from {} by Lamina", about.dataset),
            "dataset_url": format!("{}/data", about.dataset_url),
            "export_time": timestamp(about.exported_at),
            "dataset_creation_time": timestamp(about.created_at),
            "exported_by": about.exported_by,
            "total_media_items": about.items,
        });
        write!(out, "{{\"info\":{info},\"media_items\":[")?;
        Ok(Self {
            out,
            dataset_url: about.dataset_url.clone(),
            is_first: true,
        })
    }

    fn end_list(&mut self) -> Result<(), ExportError> {
        self.out.write_all(b"]}")?;
        Ok(())
    }

    fn metadata(&self, item: &Item, url: &str) -> Vec<Value> {
        let entry = |kind: &str, properties: Value| json!({"type": kind, "properties": properties});
        let mut entries = Vec::new();
        for (issue, confidence) in &item.issues {
            let mut properties =
                json!({"issue_type": issue.as_str(), "confidence": decimal(*confidence)});
            if let (IssueType::Mislabels, Some(label)) = (issue, &item.suggested_label) {
                properties["issues_description"] = json!(label);
            }
            entries.push(entry("issue", properties));
        }
        for group in &item.duplicates {
            entries.push(entry(
                "issue",
                json!({
                    "issue_type": IssueType::Duplicates.as_str(),
                    "confidence": decimal(group.confidence),
                    "duplicate_group_id": group.group,
                    "duplicate_threshold": decimal(group.step),
                }),
            ));
        }
        for label in &item.labels {
            entries.push(entry(
                "image_label",
                json!({
                    "original_id": label.original_id,
                    "category_name": label.name,
                    "source": label.source,
                }),
            ));
        }
        for object in &item.objects {
            entries.push(entry("object_label", object_properties(item, object, url)));
        }
        if let Some((text, source)) = &item.caption {
            entries.push(caption(text, source));
        }
        for tag in &item.tags {
            entries.push(entry(
                "user_tag",
                json!({"tag_name": tag.name, "assigned_date": timestamp(tag.assigned_at)}),
            ));
        }
        entries
    }
}

/// Documentation and clients name the text differently: both names are there.
fn caption(text: &str, source: &str) -> Value {
    json!({"type": "caption", "properties": {"caption": text, "text": text, "source": source}})
}

fn object_properties(item: &Item, object: &ObjectItem, url: &str) -> Value {
    let mut properties = json!({
        "original_id": object.original_id,
        "category_name": object.label,
        "source": object.source,
        "bbox": object.region.to_pixels(item.width, item.height),
        "uniqueness_score": object.uniqueness.map(decimal),
        "url": format!("{url}?&object_id={}", object.id),
        "object_id": object.id,
        "metadata_items": object.caption.iter().map(|text| caption(text, object.source)).collect::<Vec<_>>(),
    });
    if let Some(map) = properties.as_object_mut() {
        if let Some(confidence) = object.confidence {
            map.insert("confidence".to_owned(), json!(decimal(confidence)));
        }
        if let Some(distance) = object.distance {
            map.insert("search_confidence".to_owned(), json!(decimal(distance)));
        }
    }
    properties
}

impl<W: Write> FormatWriter for JsonWriter<W> {
    fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        if !std::mem::take(&mut self.is_first) {
            self.out.write_all(b",")?;
        }
        let url = format!("{}/data/image/{}", self.dataset_url, item.media_id);
        let written = MediaItem {
            media_id: item.media_id.to_string(),
            media_type: "image",
            file_name: &item.file_name,
            file_path: &item.file_path,
            file_size: display_size(item.byte_size),
            uniqueness_score: item.uniqueness,
            search_confidence: item.distance,
            height: item.height,
            width: item.width,
            metadata_items: self.metadata(item, &url),
            url,
            cluster_id: item.cluster_id.map(|id| id.to_string()),
        };
        serde_json::to_writer(&mut self.out, &written)?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportError> {
        self.end_list()?;
        self.out.flush()?;
        Ok(())
    }
}

impl JsonWriter<Vec<u8>> {
    /// Writes what comes after the last item.
    ///
    /// # Errors
    /// None that memory has.
    pub fn end(&mut self) -> Result<(), ExportError> {
        self.end_list()
    }

    /// What was written since the last call.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// `48.27KB`: two decimals, unit glued on.
fn display_size(bytes: u64) -> String {
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in ["KB", "MB", "GB", "TB"] {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = next;
    }
    format!("{size:.2}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{about, item};

    #[test]
    fn the_document_has_the_form_that_clients_read() {
        let mut bytes = Vec::new();
        let mut writer = Box::new(JsonWriter::begin(&mut bytes, &about(2)).unwrap());
        writer.item(&item(1)).unwrap();
        writer.item(&item(2)).unwrap();
        writer.finish().unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(document["info"]["schema_version"], "1.1");
        assert_eq!(document["info"]["total_media_items"], 2);
        let first = &document["media_items"][0];
        assert_eq!(first["file_size"], "48.27KB");
        assert_eq!(first["media_type"], "image");
        let entries = first["metadata_items"].as_array().unwrap();
        let of = |kind: &str| -> Vec<&Value> {
            entries
                .iter()
                .filter(|entry| entry["type"] == kind)
                .map(|entry| &entry["properties"])
                .collect()
        };
        assert_eq!(of("issue")[0]["issue_type"], "blur");
        assert_eq!(of("issue")[0]["issues_description"], Value::Null);
        assert_eq!(of("issue")[1]["issues_description"], "truck");
        assert_eq!(of("issue")[2]["duplicate_threshold"].to_string(), "0.96");
        assert_eq!(of("image_label")[0]["original_id"], -1);
        assert_eq!(of("object_label")[0]["bbox"], json!([20, 10, 40, 50]));
        assert_eq!(
            of("object_label")[0]["metadata_items"][0]["type"],
            "caption"
        );
        assert_eq!(of("caption")[0]["caption"], of("caption")[0]["text"]);
        assert_eq!(of("user_tag")[0]["tag_name"], "review");
    }

    #[test]
    fn sizes_have_two_decimals_and_a_unit() {
        for (bytes, shown) in [(0, "0.00B"), (1023, "1023.00B"), (1 << 20, "1.00MB")] {
            assert_eq!(display_size(bytes), shown);
        }
    }
}
