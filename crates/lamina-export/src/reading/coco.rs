//! COCO: boxes with categories, captions, and annotations without a box, which are labels of the whole picture.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Area, FileRows, Picture, Row, caption, label, path};

/// One entry of a list that may be malformed by itself.
struct Lenient<T>(Result<T, serde_json::Error>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self(T::deserialize(value)))
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    images: Vec<Lenient<Image>>,
    #[serde(default)]
    annotations: Vec<Lenient<Annotation>>,
    #[serde(default)]
    categories: Vec<Lenient<Category>>,
}

#[derive(Deserialize)]
struct Image {
    id: Value,
    file_name: String,
    #[serde(default)]
    width: Option<f64>,
    #[serde(default)]
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    id: Option<Value>,
    image_id: Value,
    #[serde(default)]
    category_id: Option<Value>,
    #[serde(default)]
    bbox: Option<Vec<f64>>,
    #[serde(default)]
    caption: Option<String>,
}

#[derive(Deserialize)]
struct Category {
    id: Value,
    name: String,
}

/// Ids are numbers in most files and texts in some.
fn key(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn side(length: Option<f64>) -> Option<u32> {
    let length = length.filter(|length| (1.0..=f64::from(u32::MAX)).contains(length))?;
    Some(length as u32)
}

/// Reads a document.
pub(super) fn read(bytes: &[u8], file: &mut FileRows) {
    // A list would be read as the members of the document in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return file.problem(0, "the file is no COCO document");
    }
    let document: Document = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => return file.problem(0, format!("the file is no COCO document: {error}")),
    };
    let mut images = HashMap::new();
    for (number, image) in (1_u64..).zip(document.images) {
        match image.0 {
            Ok(image) => {
                let size = side(image.width).zip(side(image.height));
                let known = (
                    path(&image.file_name),
                    size.map(|(width, height)| [width, height]),
                );
                images.insert(key(&image.id), known);
            }
            Err(error) => file.problem(number, format!("images: {error}")),
        }
    }
    let mut names = HashMap::new();
    for (number, category) in (1_u64..).zip(document.categories) {
        match category.0 {
            Ok(category) => {
                names.insert(key(&category.id), category.name);
            }
            Err(error) => file.problem(number, format!("categories: {error}")),
        }
    }
    for (place, annotation) in (1_u64..).zip(document.annotations) {
        let row = annotation
            .0
            .map_err(|error| error.to_string())
            .and_then(|annotation| row(annotation, place, &images, &names));
        match row {
            Ok(row) => file.rows.push(row),
            Err(text) => file.problem(place, format!("annotations: {text}")),
        }
    }
}

type Known = (String, Option<[u32; 2]>);

fn row(
    annotation: Annotation,
    place: u64,
    images: &HashMap<String, Known>,
    names: &HashMap<String, String>,
) -> Result<Row, String> {
    let (file, size) = images
        .get(&key(&annotation.image_id))
        .ok_or_else(|| format!("there is no image {}", annotation.image_id))?;
    let name = match annotation.category_id.filter(|id| !id.is_null()) {
        Some(id) => {
            let name = names.get(&key(&id));
            Some(label(
                name.ok_or_else(|| format!("there is no category {id}"))?,
            )?)
        }
        None => None,
    };
    let text = annotation.caption.as_deref().and_then(caption);
    let area = match annotation.bbox.as_deref() {
        None | Some([]) => None,
        Some(&[x, y, width, height]) => Some(Area::Pixels([x, y, width, height], *size)),
        Some(_) => return Err("a bbox has four numbers".to_owned()),
    };
    if name.is_none() && (area.is_some() || text.is_none()) {
        return Err("there is no category".to_owned());
    }
    Ok(Row {
        picture: Picture::Path(file.clone()),
        label: name,
        caption: text,
        area,
        original_id: annotation.id.and_then(|id| id.as_i64()).unwrap_or(-1),
        place,
    })
}
