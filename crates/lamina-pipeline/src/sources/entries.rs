//! The entries of a list of files, whatever it is written in.

use std::io::{self, BufRead, Read};

use parquet::file::reader::{ChunkReader, FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use super::errors::SourceError;

/// What a list is written in, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListKind {
    /// `.txt`: one entry a line.
    Lines,
    /// `.csv`: one column of a table.
    Table,
    /// `.parquet`: the same.
    Parquet,
}

impl ListKind {
    /// By the end of a name, whatever its case.
    ///
    /// # Errors
    /// Another end, or none.
    pub(super) fn of(name: &str) -> Result<Self, SourceError> {
        let end = name
            .rsplit('/')
            .next()
            .and_then(|name| name.rsplit_once('.'));
        let extension = end.map(|(_, extension)| extension.to_ascii_lowercase());
        match extension.as_deref() {
            Some("txt") => Ok(Self::Lines),
            Some("csv") => Ok(Self::Table),
            Some("parquet") => Ok(Self::Parquet),
            None => Err(SourceError::UnsupportedList {
                extension: "a file without an extension".to_owned(),
            }),
            Some(other) => Err(SourceError::UnsupportedList {
                extension: format!(".{}", other.escape_debug()),
            }),
        }
    }
}

/// The entries of a text or table.
pub(super) fn of_text(
    kind: ListKind,
    mut text: impl BufRead + 'static,
) -> Result<Box<dyn Entries>, SourceError> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    if text
        .fill_buf()
        .map_err(SourceError::Io)?
        .starts_with(BYTE_ORDER_MARK)
    {
        text.consume(BYTE_ORDER_MARK.len());
    }
    Ok(match kind {
        ListKind::Lines | ListKind::Parquet => Box::new(Lines(text)),
        ListKind::Table => Box::new(Table {
            rows: csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text),
            row: csv::ByteRecord::new(),
            column: None,
        }),
    })
}

/// The entries of a parquet file: those of the first column with one of the headings, else of the first column of texts.
pub(super) fn of_parquet(
    file: impl ChunkReader + 'static,
) -> Result<Box<dyn Entries>, SourceError> {
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema();
    let is_text = |field: &&std::sync::Arc<Type>| {
        field.is_primitive() && field.get_physical_type() == parquet::basic::Type::BYTE_ARRAY
    };
    let is_heading = |name: &str| {
        HEADINGS
            .iter()
            .any(|heading| name.eq_ignore_ascii_case(heading))
    };
    let columns = || schema.get_fields().iter().filter(is_text);
    let column = columns()
        .find(|field| is_heading(field.name()))
        .or_else(|| columns().next())
        .ok_or(SourceError::NoColumn)?;
    let wanted = Type::group_type_builder(schema.name())
        .with_fields(vec![std::sync::Arc::clone(column)])
        .build()
        .map_err(damaged)?;
    let rows = RowIter::from_file_into(Box::new(reader))
        .project(Some(wanted))
        .map_err(damaged)?;
    Ok(Box::new(Rows(rows)))
}

fn damaged(error: parquet::errors::ParquetError) -> SourceError {
    SourceError::DamagedList(error)
}

struct Rows(RowIter<'static>);

impl Entries for Rows {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError> {
        entry.clear();
        let Some(row) = self.0.next() else {
            return Ok(false);
        };
        let row = row.map_err(damaged)?;
        if let Some((_, field)) = row.get_column_iter().next() {
            // A missing value is an empty line.
            if let Field::Str(text) = field {
                entry.extend_from_slice(text.as_bytes());
            } else if let Field::Bytes(bytes) = field {
                entry.extend_from_slice(bytes.data());
            }
        }
        Ok(true)
    }
}

/// The entries of a list one after the other; gives `false` at the end.
pub(super) trait Entries {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError>;
}

struct Lines<R>(R);

impl<R: BufRead> Entries for Lines<R> {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError> {
        entry.clear();
        if self.0.read_until(b'\n', entry).map_err(SourceError::Io)? == 0 {
            return Ok(false);
        }
        for end in [b'\n', b'\r'] {
            if entry.last() == Some(&end) {
                entry.pop();
            }
        }
        Ok(true)
    }
}

struct Table<R> {
    rows: csv::Reader<R>,
    row: csv::ByteRecord,
    column: Option<usize>,
}

const HEADINGS: [&str; 4] = ["filename", "file_name", "path", "file"];

impl<R: Read> Entries for Table<R> {
    fn next_into(&mut self, entry: &mut Vec<u8>) -> Result<bool, SourceError> {
        loop {
            if !self
                .rows
                .read_byte_record(&mut self.row)
                .map_err(table_error)?
            {
                return Ok(false);
            }
            let column = match self.column {
                Some(column) => column,
                None => {
                    let heading = |field: &[u8]| {
                        HEADINGS
                            .iter()
                            .any(|h| field.trim_ascii().eq_ignore_ascii_case(h.as_bytes()))
                    };
                    let found = self.row.iter().position(heading);
                    self.column = Some(found.unwrap_or(0));
                    if found.is_some() {
                        continue;
                    }
                    0
                }
            };
            entry.clear();
            entry.extend_from_slice(self.row.get(column).unwrap_or_default());
            return Ok(true);
        }
    }
}

/// Rows of any length and bytes of any kind are taken, so reading is all that can fail.
fn table_error(error: csv::Error) -> SourceError {
    SourceError::Io(io::Error::from(error))
}
