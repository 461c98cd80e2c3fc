//! The API's own tables (contract 7.5), as CSV or Parquet: `filename`, `label` (a name or a list) and `caption` for whole
//! pictures; `filename`, `col_x`, `row_y`, `width`, `height`, `label` in pixels for boxes. Beyond the original: `media_id`
//! instead of `filename`, `original_id`. Other columns are passed over, so that our own exports are read.

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use uuid::Uuid;

use super::{Area, FileRows, Picture, Row, caption, label, path};

const NAMES: [&str; 9] = [
    "filename",
    "media_id",
    "label",
    "caption",
    "col_x",
    "row_y",
    "width",
    "height",
    "original_id",
];

/// Where the columns are, in the order of [`NAMES`].
struct Columns {
    places: [Option<usize>; NAMES.len()],
    has_boxes: bool,
}

impl Columns {
    /// # Errors
    /// A column that is needed is not there.
    fn new<'a>(heads: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let heads: Vec<String> = heads
            .map(|head| head.trim_start_matches('\u{feff}').trim().to_lowercase())
            .collect();
        let places = NAMES.map(|name| heads.iter().position(|head| head == name));
        let [file, id, name, text, sides @ ..] = places;
        let [x, y, width, height, _] = sides;
        if file.is_none() && id.is_none() {
            return Err("there is no column filename".to_owned());
        }
        let has_boxes = x.is_some() || y.is_some();
        if has_boxes && [x, y, width, height, name].iter().any(Option::is_none) {
            return Err(
                "a table of boxes has the columns filename, col_x, row_y, width, height, label"
                    .to_owned(),
            );
        }
        if name.is_none() && text.is_none() {
            return Err("there is no column label".to_owned());
        }
        Ok(Self { places, has_boxes })
    }

    fn record<'a>(&self, cell: impl Fn(usize) -> Option<&'a str>) -> Record<'a> {
        let cells = self.places.map(|place| {
            let text = place.and_then(&cell)?.trim();
            (!text.is_empty()).then_some(text)
        });
        Record {
            cells,
            has_boxes: self.has_boxes,
        }
    }
}

/// The cells of one row, in the order of [`NAMES`].
struct Record<'a> {
    cells: [Option<&'a str>; NAMES.len()],
    has_boxes: bool,
}

impl Record<'_> {
    /// # Errors
    /// What is wrong with the row.
    fn rows(&self, place: u64) -> Result<Vec<Row>, String> {
        let [file, id, name, text, x, y, width, height, original] = self.cells;
        let picture = match (id, file) {
            (Some(id), _) => Picture::Id(
                id.parse::<Uuid>()
                    .map_err(|_| format!("{id:?} is no media id"))?,
            ),
            (None, Some(file)) => Picture::Path(path(file)),
            (None, None) => return Err("the filename is empty".to_owned()),
        };
        let area = if self.has_boxes {
            let side = |cell: Option<&str>, name: &str| {
                cell.and_then(|cell| cell.parse::<f64>().ok())
                    .ok_or_else(|| format!("{name} is no number"))
            };
            let sides = [
                side(x, "col_x")?,
                side(y, "row_y")?,
                side(width, "width")?,
                side(height, "height")?,
            ];
            Some(Area::Pixels(sides, None))
        } else {
            None
        };
        let original_id = original.and_then(|id| id.parse().ok()).unwrap_or(-1);
        let row = |label: Option<String>, caption: Option<String>| Row {
            picture: picture.clone(),
            label,
            caption,
            area,
            original_id,
            place,
        };
        let mut rows = Vec::new();
        for name in name.map(names).unwrap_or_default() {
            rows.push(row(Some(label(&name)?), None));
        }
        if area.is_some() {
            if rows.is_empty() {
                return Err("the label is empty".to_owned());
            }
        } else if let Some(text) = text.and_then(caption) {
            rows.push(row(None, Some(text)));
        }
        Ok(rows)
    }
}

/// A name, or a list of names: `["a","b"]` as JSON writes it, `['a', 'b']` as Python does.
fn names(cell: &str) -> Vec<String> {
    let Some(inside) = cell
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return vec![cell.to_owned()];
    };
    if let Ok(names) = serde_json::from_str(cell) {
        return names;
    }
    inside
        .split(',')
        .map(|name| name.trim().trim_matches(['\'', '"']).to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Reads a CSV table.
pub(super) fn read_csv(bytes: &[u8], file: &mut FileRows) {
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let columns = table
        .headers()
        .map_err(|error| error.to_string())
        .and_then(|heads| Columns::new(heads.iter()));
    let columns = match columns {
        Ok(columns) => columns,
        Err(text) => return file.problem(0, text),
    };
    for (place, record) in (2_u64..).zip(table.records()) {
        let rows = match &record {
            Ok(record) => {
                let place = record.position().map_or(place, csv::Position::line);
                (place, columns.record(|cell| record.get(cell)).rows(place))
            }
            Err(error) => (place, Err(error.to_string())),
        };
        keep(rows, file);
    }
}

fn keep((place, rows): (u64, Result<Vec<Row>, String>), file: &mut FileRows) {
    match rows {
        Ok(rows) => file.rows.extend(rows),
        Err(text) => file.problem(place, text),
    }
}

/// Reads a Parquet table.
pub(super) fn read_parquet(bytes: &[u8], file: &mut FileRows) {
    let reader = match SerializedFileReader::new(Bytes::copy_from_slice(bytes)) {
        Ok(reader) => reader,
        Err(error) => return file.problem(0, format!("the file is no Parquet table: {error}")),
    };
    let schema = reader.metadata().file_metadata().schema();
    let columns = Columns::new(schema.get_fields().iter().map(|field| field.name()));
    let (columns, rows) = match (columns, reader.get_row_iter(None)) {
        (Ok(columns), Ok(rows)) => (columns, rows),
        (Err(text), _) => return file.problem(0, text),
        (_, Err(error)) => return file.problem(0, error.to_string()),
    };
    for (place, row) in (1_u64..).zip(rows) {
        let cells: Vec<Option<String>> = match row {
            Ok(row) => row
                .get_column_iter()
                .map(|(_, field)| text(field))
                .collect(),
            Err(error) => {
                // The rest of the column cannot be found after this.
                return file.problem(place, error.to_string());
            }
        };
        let record = columns.record(|cell| cells.get(cell)?.as_deref());
        keep((place, record.rows(place)), file);
    }
}

/// A cell as CSV would hold it.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every other kind is a number or a moment, which spells itself"
)]
fn text(field: &Field) -> Option<String> {
    Some(match field {
        Field::Null => return None,
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        Field::ListInternal(list) => {
            let names: Vec<String> = list.elements().iter().filter_map(text).collect();
            serde_json::to_string(&names).ok()?
        }
        Field::Double(number) => number.to_string(),
        Field::Float(number) => number.to_string(),
        other => other.to_string(),
    })
}
