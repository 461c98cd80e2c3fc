//! Answers as they are kept in `outputs` and `region_outputs`.

use std::collections::HashMap;

use lamina_store::sqlx::PgConnection;
use lamina_store::{outputs, regions};
use lamina_types::{BoundingBox, SpaceKey};
use serde_json::{Value, json};

use super::models::{Answer, FoundObject};
use crate::PipelineError;

/// Text that Postgres stores: no NUL, no white space around it.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}").trim().to_owned()
}

/// The caption in a stored value; `None` when the model had nothing to say.
pub(super) fn caption_of(value: &Value) -> Option<String> {
    let text = value.get("caption")?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Answers sorted by how they are kept.
#[derive(Default)]
struct Sorted {
    vectors: Vec<(i64, Vec<u8>)>,
    values: Vec<(i64, Value)>,
    boxes: Vec<(i64, Vec<FoundObject>)>,
}

fn sorted(answers: Vec<(i64, Answer)>) -> Sorted {
    let mut sorted = Sorted::default();
    for (id, answer) in answers {
        match answer {
            Answer::Vector(bytes) => sorted.vectors.push((id, bytes)),
            Answer::Caption(text) => {
                let value = json!({ "caption": storable(&text) });
                sorted.values.push((id, value));
            }
            Answer::Tags(tags) => {
                let tags: Vec<Value> = tags
                    .iter()
                    .map(|tag| json!({ "name": storable(&tag.name), "confidence": tag.confidence }))
                    .collect();
                sorted.values.push((id, json!({ "tags": tags })));
            }
            Answer::Boxes(boxes) => sorted.boxes.push((id, boxes)),
        }
    }
    sorted
}

fn dimension_of(vectors: &[(i64, Vec<u8>)]) -> usize {
    vectors.first().map_or(0, |(_, bytes)| bytes.len() / 2)
}

/// Keeps what a model said of contents; boxes become regions first.
///
/// # Errors
/// The database.
pub(super) async fn keep_of_contents(
    conn: &mut PgConnection,
    key: &SpaceKey,
    answers: Vec<(i64, Answer)>,
) -> Result<(), PipelineError> {
    let mut sorted = sorted(answers);
    let found = std::mem::take(&mut sorted.boxes);
    sorted.values.extend(boxes(conn, found).await?);
    if !sorted.vectors.is_empty() {
        let dimension = dimension_of(&sorted.vectors);
        outputs::put_vectors(&mut *conn, key, dimension, &sorted.vectors).await?;
    }
    if !sorted.values.is_empty() {
        outputs::put_values(conn, key, &sorted.values).await?;
    }
    Ok(())
}

/// Keeps what a model said of regions.
///
/// # Errors
/// The database.
pub(super) async fn keep_of_regions(
    conn: &mut PgConnection,
    key: &SpaceKey,
    answers: Vec<(i64, Answer)>,
) -> Result<(), PipelineError> {
    let sorted = sorted(answers);
    if !sorted.vectors.is_empty() {
        let dimension = dimension_of(&sorted.vectors);
        regions::put_vectors(&mut *conn, key, dimension, &sorted.vectors).await?;
    }
    if !sorted.values.is_empty() {
        regions::put_values(conn, key, &sorted.values).await?;
    }
    Ok(())
}

/// The boxes of contents as values that name the region of each.
async fn boxes(
    conn: &mut PgConnection,
    found: Vec<(i64, Vec<FoundObject>)>,
) -> Result<Vec<(i64, Value)>, PipelineError> {
    let areas: Vec<(i64, BoundingBox)> = found
        .iter()
        .flat_map(|(content, boxes)| boxes.iter().map(|found| (*content, found.area)))
        .collect();
    let mut ids = regions::upsert(conn, &areas).await?.into_iter();
    let mut values: HashMap<i64, Vec<Value>> = HashMap::new();
    for (content, boxes) in found {
        let kept = values.entry(content).or_default();
        for (found, region) in boxes.iter().zip(ids.by_ref()) {
            kept.push(json!({
                "region": region,
                "label": storable(&found.label),
                "confidence": found.confidence,
            }));
        }
    }
    let values = values.into_iter();
    Ok(values
        .map(|(content, boxes)| (content, json!({ "boxes": boxes })))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_say_can_be_stored() {
        let answers = vec![
            (1, Answer::Caption(" a\0van \n".to_owned())),
            (2, Answer::Tags(Vec::new())),
        ];
        let kept = sorted(answers).values;
        assert_eq!(kept[0].1, json!({"caption": "a\u{fffd}van"}));
        assert_eq!(kept[1].1, json!({"tags": []}));
        assert_eq!(caption_of(&kept[0].1).as_deref(), Some("a\u{fffd}van"));
        assert_eq!(caption_of(&json!({"caption": ""})), None);
    }
}
