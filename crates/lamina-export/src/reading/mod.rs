//! Annotations read from files: COCO, the API's own tables as CSV or Parquet, YOLO, Pascal VOC, and zip archives of these.
//!
//! Nothing here knows the dataset: a row says which picture it means as the file says it, and is matched later. What cannot be
//! read is a problem with its place, never an error: one bad row must not cost the others.

mod archive;
mod coco;
mod tables;
#[cfg(test)]
mod tests;
mod voc;
mod yolo;

use uuid::Uuid;

pub use archive::MAX_UNPACKED_BYTES;

/// Longest name of a label, characters.
const MAX_LABEL: usize = 255;
/// Longest caption that is kept, characters.
const MAX_CAPTION: usize = 10_000;

/// Where a box is, as the file says it: left, top, width, height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Area {
    /// Pixels, of a picture of this size if the file names one.
    Pixels([f64; 4], Option<[u32; 2]>),
    /// Fractions of the turned picture.
    Fractions([f64; 4]),
}

/// Which picture a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// Its path inside the source, or its base name if only one picture has it.
    Path(String),
    /// The same without the extension.
    Stem(String),
    /// A media item.
    Id(Uuid),
}

/// One thing that is said about a picture: a label of all of it, a box with a label, or a caption.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which picture.
    pub picture: Picture,
    /// What it shows; 1 to 255 characters.
    pub label: Option<String>,
    /// A text about it.
    pub caption: Option<String>,
    /// Where; none for the whole picture.
    pub area: Option<Area>,
    /// Id in the file, -1 for none.
    pub original_id: i64,
    /// Line, record or number of the entry in its list, from 1.
    pub place: u64,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, record or number of the entry, from 1; 0 for the file as a whole.
    pub place: u64,
    /// What is wrong, for people.
    pub text: String,
}

/// What one file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FileRows {
    /// Name of the file.
    pub file: String,
    /// What is said, in order.
    pub rows: Vec<Row>,
    /// What could not be read, in order.
    pub problems: Vec<Problem>,
}

impl FileRows {
    fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            ..Self::default()
        }
    }

    /// A file that could not even be opened.
    pub fn unreadable(file: &str, why: &str) -> Self {
        let mut rows = Self::new(file);
        rows.problem(0, format!("the file cannot be read: {why}"));
        rows
    }

    fn problem(&mut self, place: u64, text: impl Into<String>) {
        let text = text.into();
        self.problems.push(Problem { place, text });
    }
}

/// What a file with annotations is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Coco,
    Csv,
    Parquet,
    Voc,
    YoloBoxes,
    YoloNames,
    Archive,
}

fn kind_of(name: &str) -> Option<Kind> {
    let lower = name.to_lowercase();
    let base = lower.rsplit('/').next().unwrap_or_default();
    if matches!(base, "classes.txt" | "obj.names" | "data.yaml" | "data.yml") {
        return Some(Kind::YoloNames);
    }
    Some(match base.rsplit_once('.')?.1 {
        "json" => Kind::Coco,
        "csv" => Kind::Csv,
        "parquet" => Kind::Parquet,
        "xml" => Kind::Voc,
        "txt" => Kind::YoloBoxes,
        "names" | "yaml" | "yml" => Kind::YoloNames,
        "zip" => Kind::Archive,
        _ => return None,
    })
}

/// The annotation files among the files of a source (contract 7.5, and ours): at its root `annotations.json`,
/// `image_annotations` and `object_annotations` as `.csv` or `.parquet`; `.xml` files anywhere; where the root has a list of
/// class names (`data.yaml`, `classes.txt`, `obj.names`), `.txt` files anywhere. Places in `names`.
pub fn annotation_files<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<usize> {
    let is_of_yolo = |name: &str| !name.contains('/') && kind_of(name) == Some(Kind::YoloNames);
    let has_classes = names.clone().any(is_of_yolo);
    let is_wanted = |name: &str| match kind_of(name) {
        Some(Kind::Coco) => name == "annotations.json",
        Some(Kind::Csv | Kind::Parquet) => matches!(
            name.rsplit_once('.').map_or(name, |(stem, _)| stem),
            "image_annotations" | "object_annotations"
        ),
        Some(Kind::Voc) => true,
        Some(Kind::YoloNames) => is_of_yolo(name),
        Some(Kind::YoloBoxes) => has_classes,
        Some(Kind::Archive) | None => false,
    };
    let wanted = names.enumerate().filter(|(_, name)| is_wanted(name));
    wanted.map(|(place, _)| place).collect()
}

/// Reads files one after the other. Boxes of YOLO wait until all names are known.
#[derive(Debug, Default)]
pub struct AnnotationReader {
    done: Vec<FileRows>,
    yolo: yolo::Waiting,
}

impl AnnotationReader {
    /// Reads one file; its name says of what kind it is.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let mut file = FileRows::new(name);
        match kind_of(name) {
            Some(Kind::Coco) => coco::read(bytes, &mut file),
            Some(Kind::Csv) => tables::read_csv(bytes, &mut file),
            Some(Kind::Parquet) => tables::read_parquet(bytes, &mut file),
            Some(Kind::Voc) => voc::read(bytes, &mut file),
            Some(Kind::YoloNames) => self.yolo.names(bytes, &mut file),
            Some(Kind::YoloBoxes) => return self.yolo.boxes(name, bytes),
            Some(Kind::Archive) => archive::read(bytes, self, &mut file),
            None => file.problem(0, "the file is of no kind that annotations are read from"),
        }
        self.done.push(file);
    }

    /// Everything that was read, file by file; files that hold nothing and have nothing wrong are left out.
    pub fn finish(mut self) -> Vec<FileRows> {
        self.done.extend(self.yolo.finish());
        self.done
            .retain(|file| !file.rows.is_empty() || !file.problems.is_empty());
        self.done
    }
}

/// A path as annotations spell it: without `./` and `/` before it, with `/` between its parts.
fn path(spelt: &str) -> String {
    let spelt = spelt.replace('\\', "/");
    let mut rest = spelt.as_str();
    while let Some(shorter) = rest.strip_prefix("./").or_else(|| rest.strip_prefix('/')) {
        rest = shorter;
    }
    rest.replace('\0', "\u{fffd}")
}

/// A label that can be kept, or what is wrong with it.
fn label(spelt: &str) -> Result<String, String> {
    let label = spelt.trim();
    let length = label.chars().count();
    if length == 0 {
        return Err("the label is empty".to_owned());
    }
    if length > MAX_LABEL || label.chars().any(char::is_control) {
        return Err(format!(
            "a label is one line of at most {MAX_LABEL} characters"
        ));
    }
    Ok(label.to_owned())
}

/// A caption that can be kept; none if there is nothing in it.
fn caption(spelt: &str) -> Option<String> {
    let text: String = spelt
        .trim()
        .chars()
        .filter(|character| !character.is_control())
        .take(MAX_CAPTION)
        .collect();
    (!text.is_empty()).then_some(text)
}
