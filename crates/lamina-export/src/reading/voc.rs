//! Pascal VOC: an XML file a picture, with boxes by their corners in pixels. Corners are taken as they stand, from 0.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Area, FileRows, Picture, Row, label, path};

/// One object of the file, as far as it is read.
#[derive(Default)]
struct Object {
    name: String,
    corners: [Option<f64>; 4],
}

const CORNERS: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

/// Reads one file.
pub(super) fn read(bytes: &[u8], file: &mut FileRows) {
    let mut reader = Reader::from_reader(bytes);
    let mut inside: Vec<String> = Vec::new();
    let (mut name, mut size) = (None, [0_u32; 2]);
    let mut objects: Vec<Object> = Vec::new();
    let mut text = String::new();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let tag = String::from_utf8_lossy(start.name().as_ref()).into_owned();
                inside.push(tag);
                text.clear();
                if inside == ["annotation", "object"] {
                    objects.push(Object::default());
                }
            }
            Ok(Event::Text(part)) => {
                text.push_str(&String::from_utf8_lossy(&part));
            }
            Ok(Event::CData(part)) => {
                text.push_str(&String::from_utf8_lossy(&part));
            }
            Ok(Event::GeneralRef(part)) => text.push_str(entity(&part)),
            Ok(Event::End(_)) => {
                let tags: Vec<&str> = inside.iter().map(String::as_str).collect();
                let value = text.trim();
                match (tags.as_slice(), objects.last_mut()) {
                    (["annotation", "filename"], _) => name = Some(path(value)),
                    (["annotation", "size", "width"], _) => size[0] = value.parse().unwrap_or(0),
                    (["annotation", "size", "height"], _) => size[1] = value.parse().unwrap_or(0),
                    (["annotation", "object", "name"], Some(object)) => {
                        object.name = value.to_owned();
                    }
                    (["annotation", "object", "bndbox", corner], Some(object)) => {
                        let place = CORNERS.iter().position(|known| known == corner);
                        if let Some(place) = place {
                            object.corners[place] = value.parse().ok();
                        }
                    }
                    _ => {}
                }
                inside.pop();
                text.clear();
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => return file.problem(0, format!("the file is no XML: {error}")),
        }
    }
    let known = size.iter().all(|side| *side > 0).then_some(size);
    let picture = picture(name, &file.file);
    for (place, object) in (1_u64..).zip(objects) {
        match row(object, place, &picture, known) {
            Ok(row) => file.rows.push(row),
            Err(text) => file.problem(place, text),
        }
    }
}

/// The named file, in the folder that the annotation lies in beside `Annotations`; without a name, the one called like the annotation.
fn picture(name: Option<String>, file: &str) -> Picture {
    let file = path(file);
    let stem = file
        .rsplit_once('.')
        .map_or(file.as_str(), |(stem, _)| stem);
    let stem = stem.strip_prefix("Annotations/").unwrap_or(stem);
    match name.filter(|name| !name.is_empty()) {
        // In a tree of annotations like that of the pictures only the base name is written down.
        Some(name) if !name.contains('/') => match stem.rsplit_once('/') {
            Some((folder, _)) => Picture::Path(format!("{folder}/{name}")),
            None => Picture::Path(name),
        },
        Some(name) => Picture::Path(name),
        None => Picture::Stem(stem.to_owned()),
    }
}

fn entity(name: &[u8]) -> &str {
    match name {
        b"amp" => "&",
        b"lt" => "<",
        b"gt" => ">",
        b"quot" => "\"",
        b"apos" => "'",
        // Declared entities are not expanded: nothing here needs them, and they can be made to grow without end.
        _ => "\u{fffd}",
    }
}

fn row(
    object: Object,
    place: u64,
    picture: &Picture,
    size: Option<[u32; 2]>,
) -> Result<Row, String> {
    let [Some(left), Some(top), Some(right), Some(bottom)] = object.corners else {
        return Err("an object has the corners xmin, ymin, xmax, ymax".to_owned());
    };
    Ok(Row {
        picture: picture.clone(),
        label: Some(label(&object.name)?),
        caption: None,
        area: Some(Area::Pixels([left, top, right - left, bottom - top], size)),
        original_id: -1,
        place,
    })
}
