//! YOLO: a text file a picture with a line a box (class, centre and size as fractions), and the names of the classes in
//! `data.yaml` or a list of one name a line.

use std::collections::BTreeMap;

use super::{Area, FileRows, Picture, Row, label, path};

/// Files whose class names may still come.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    names: BTreeMap<usize, String>,
    boxes: Vec<(String, String)>,
}

impl Waiting {
    /// Takes the names of the classes.
    pub(super) fn names(&mut self, bytes: &[u8], file: &mut FileRows) {
        let text = String::from_utf8_lossy(bytes);
        let is_list = !file.file.to_lowercase().ends_with("ml");
        let found = if is_list {
            text.lines().map(str::to_owned).enumerate().collect()
        } else {
            names_of_yaml(&text)
        };
        if found.is_empty() {
            file.problem(0, "the file names no classes");
        }
        self.names.extend(found);
    }

    /// Takes the boxes of one picture.
    pub(super) fn boxes(&mut self, name: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.boxes.push((name.to_owned(), text));
    }

    /// The rows of all pictures, now that the names are known.
    pub(super) fn finish(self) -> Vec<FileRows> {
        let mut done = Vec::with_capacity(self.boxes.len());
        for (name, text) in &self.boxes {
            let mut file = FileRows::new(name);
            let stem = stem(name);
            for (place, line) in (1_u64..).zip(text.lines()) {
                if line.trim().is_empty() {
                    continue;
                }
                match row(line, place, &stem, &self.names) {
                    Ok(row) => file.rows.push(row),
                    Err(text) => file.problem(place, text),
                }
            }
            done.push(file);
        }
        done
    }
}

/// `labels/train/a.txt` is about `images/train/a` of any extension.
fn stem(name: &str) -> String {
    let name = path(name);
    let name = name
        .rsplit_once('.')
        .map_or(name.as_str(), |(stem, _)| stem);
    name.strip_prefix("labels/").unwrap_or(name).to_owned()
}

fn row(line: &str, place: u64, stem: &str, names: &BTreeMap<usize, String>) -> Result<Row, String> {
    let mut words = line.split_whitespace();
    let class = words.next().unwrap_or_default();
    let class: usize = class
        .parse()
        .map_err(|_| format!("{class:?} is no class number"))?;
    let numbers: Vec<f64> = words
        .map(|word| word.parse().map_err(|_| format!("{word:?} is no number")))
        .collect::<Result<_, _>>()?;
    let area = match numbers[..] {
        // The fifth is how sure a model was.
        [x, y, width, height] | [x, y, width, height, _] => {
            [x - width / 2.0, y - height / 2.0, width, height]
        }
        // The corners of an outline.
        _ if numbers.len() >= 6 && numbers.len().is_multiple_of(2) => around(&numbers),
        _ => return Err("a line is a class and four numbers".to_owned()),
    };
    let name = names
        .get(&class)
        .ok_or_else(|| format!("no name is known of class {class}"))?;
    Ok(Row {
        picture: Picture::Stem(stem.to_owned()),
        label: Some(label(name)?),
        caption: None,
        area: Some(Area::Fractions(area)),
        original_id: -1,
        place,
    })
}

/// The box around points.
fn around(points: &[f64]) -> [f64; 4] {
    let range = |offset: usize| {
        let values = points.iter().skip(offset).step_by(2).copied();
        let low = values.clone().fold(f64::INFINITY, f64::min);
        (low, values.fold(f64::NEG_INFINITY, f64::max) - low)
    };
    let ((x, width), (y, height)) = (range(0), range(1));
    [x, y, width, height]
}

/// What stands under `names:`: `[a, b]`, `{0: a, 1: b}`, a list of `- a` or lines of `0: a`.
fn names_of_yaml(text: &str) -> BTreeMap<usize, String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("names:"));
    let first = lines.next().and_then(|line| line.strip_prefix("names:"));
    let first = without_comment(first.unwrap_or_default()).trim().to_owned();
    let is_inside =
        |line: &&str| line.starts_with([' ', '\t', '-', '#', ']', '}']) || line.trim().is_empty();
    let rest: Vec<&str> = lines.take_while(is_inside).map(without_comment).collect();
    if first.starts_with(['[', '{']) {
        let joined = [vec![first.as_str()], rest].concat().join(" ");
        let inside = joined.trim().trim_matches(['[', ']', '{', '}']);
        return numbered(inside.split(','));
    }
    numbered(rest.into_iter())
}

fn without_comment(line: &str) -> &str {
    line.split_once(" #").map_or(line, |(before, _)| before)
}

/// Entries with numbers of their own, or in order.
fn numbered<'a>(entries: impl Iterator<Item = &'a str>) -> BTreeMap<usize, String> {
    let entries = entries.map(|entry| entry.trim().trim_start_matches("- ").trim());
    let mut found = BTreeMap::new();
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let numbered = entry
            .split_once(':')
            .and_then(|(number, name)| Some((number.trim().parse::<usize>().ok()?, name)));
        let (number, name) = numbered.unwrap_or((found.len(), entry));
        found.insert(number, unquoted(name.trim()));
    }
    found
}

fn unquoted(name: &str) -> String {
    if name.starts_with('"')
        && let Ok(text) = serde_json::from_str(name)
    {
        return text;
    }
    let inside = name
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''));
    inside.map_or_else(|| name.to_owned(), |inside| inside.replace("''", "'"))
}
