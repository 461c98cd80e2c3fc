//! The rows of a file of values, read one by one so that a file of a million rows is never held as JSON.

use std::collections::HashMap;
use std::fmt;
use std::io::BufReader;
use std::path::Path;

use lamina_store::custom_fields::{CustomField, CustomValue};
use serde::Deserializer as _;
use serde::de::{SeqAccess, Visitor};
use serde_json::{Value, json};
use uuid::Uuid;

use super::values;

/// Most rows of a file.
const MAX_ROWS: usize = 5_000_000;

/// Errors that are shown.
const SAMPLES: usize = 10;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The last value of each picture that is named, and its row.
    pub(super) values: HashMap<Uuid, (u64, CustomValue)>,
    /// Rows that are read.
    pub(super) taken: u64,
    /// Rows that cannot be used.
    pub(super) errors: u64,
    /// The first of those.
    pub(super) samples: Vec<Value>,
}

impl Rows {
    /// Counts a row that cannot be used.
    pub(super) fn refuse(&mut self, row: u64, reason: &str) {
        self.errors += 1;
        if self.samples.len() < SAMPLES {
            self.samples
                .push(json!({"reason": reason, "row_index": row}));
        }
    }

    fn take(&mut self, row: u64, field: &CustomField, value: &Value) {
        let Some(members) = value.as_object() else {
            return self.refuse(row, "Expected Object");
        };
        let id = members.get("media_id").and_then(Value::as_str);
        let Some(id) = id.and_then(|id| id.parse().ok()) else {
            return self.refuse(row, "Expected media_id");
        };
        let value = members.get("value").unwrap_or(&Value::Null);
        match values::read(field, value) {
            Ok(value) => {
                self.taken += 1;
                self.values.insert(id, (row, value));
            }
            Err(reason) => self.refuse(row, reason),
        }
    }
}

/// Reads a file. Rows that are wrong are counted, not the end of it.
///
/// # Errors
/// What keeps it from being a JSON array at all.
pub(super) fn read(path: &Path, field: &CustomField) -> Result<Rows, serde_json::Error> {
    let file = fs_err::File::open(path).map_err(serde_json::Error::io)?;
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(file));
    let rows = reader.deserialize_seq(RowVisitor { field })?;
    reader.end()?;
    Ok(rows)
}

struct RowVisitor<'a> {
    field: &'a CustomField,
}

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Rows, A::Error> {
        let mut rows = Rows::default();
        let mut row = 0;
        while let Some(value) = sequence.next_element::<Value>()? {
            if row as usize >= MAX_ROWS {
                return Err(serde::de::Error::custom("too many rows"));
            }
            rows.take(row, self.field, &value);
            row += 1;
        }
        Ok(rows)
    }
}
