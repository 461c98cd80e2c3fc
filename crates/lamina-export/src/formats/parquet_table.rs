//! `metadata.parquet`: one row a media item; lists that differ in length from item to item are JSON texts.

use std::io::{Seek, Write};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::{Value, json};
use zip::ZipWriter;

use super::{FormatWriter, decimal, start_entry};
use crate::ExportError;
use crate::archive::EntryNames;
use crate::item::Item;
use crate::spool::Spool;

/// Rows of a group: they are in memory until the group is full.
const GROUP_ROWS: usize = 10_000;

/// One column of a group.
enum Column {
    Text(Vec<Option<ByteArray>>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<Option<f32>>),
}

/// A column's name and what it takes of an item.
struct Field {
    name: &'static str,
    take: Take,
}

enum Take {
    /// The name below `images/`.
    EntryName,
    Text(fn(&Item) -> Option<String>),
    Int32(fn(&Item) -> i32),
    Int64(fn(&Item) -> i64),
    Float(fn(&Item) -> Option<f32>),
}

const FIELDS: [Field; 16] = [
    field(
        "media_id",
        Take::Text(|item| Some(item.media_id.to_string())),
    ),
    field("media_type", Take::Text(|_| Some("image".to_owned()))),
    field("file_name", Take::Text(|item| Some(item.file_name.clone()))),
    // The name under which readers of the documentation look for the file below `images/`.
    field("image_filename", Take::EntryName),
    field("file_path", Take::Text(|item| Some(item.file_path.clone()))),
    field(
        "file_size",
        Take::Int64(|item| item.byte_size.cast_signed()),
    ),
    field("width", Take::Int32(|item| item.width.cast_signed())),
    field("height", Take::Int32(|item| item.height.cast_signed())),
    field("uniqueness_score", Take::Float(|item| item.uniqueness)),
    field("search_confidence", Take::Float(|item| item.distance)),
    field(
        "cluster_id",
        Take::Text(|item| item.cluster_id.map(|id| id.to_string())),
    ),
    field(
        "caption",
        Take::Text(|item| item.caption.as_ref().map(|(text, _)| text.clone())),
    ),
    field(
        "image_labels",
        Take::Text(|item| Some(labels(item).to_string())),
    ),
    field(
        "object_labels",
        Take::Text(|item| Some(objects(item).to_string())),
    ),
    field("issues", Take::Text(|item| Some(issues(item).to_string()))),
    field("user_tags", Take::Text(|item| Some(tags(item).to_string()))),
];

const fn field(name: &'static str, take: Take) -> Field {
    Field { name, take }
}

fn labels(item: &Item) -> Value {
    item.labels
        .iter()
        .map(|label| json!({"category_name": label.name, "source": label.source}))
        .collect()
}

fn objects(item: &Item) -> Value {
    let entry = |object: &crate::item::ObjectItem| {
        json!({
            "category_name": object.label, "source": object.source, "confidence": object.confidence.map(decimal),
            "bbox": object.region.to_pixels(item.width, item.height), "caption": object.caption,
        })
    };
    item.objects.iter().map(entry).collect()
}

fn issues(item: &Item) -> Value {
    let derived = item
        .issues
        .iter()
        .map(|(issue, confidence)| json!({"issue_type": issue.as_str(), "confidence": decimal(*confidence)}));
    let copies = item.duplicates.iter().map(|group| {
        json!({"issue_type": "duplicates", "confidence": decimal(group.confidence),
               "duplicate_group_id": group.group, "duplicate_threshold": decimal(group.step)})
    });
    derived.chain(copies).collect()
}

fn tags(item: &Item) -> Value {
    item.tags.iter().map(|tag| tag.name.clone()).collect()
}

/// Collects rows and writes them group by group into a temporary file, which becomes the archive's entry: the format's writer
/// wants a file of its own.
pub struct ParquetWriter<'a, W: Write + Seek> {
    archive: &'a mut ZipWriter<W>,
    file: SerializedFileWriter<Spool>,
    columns: Vec<Column>,
    rows: usize,
    names: EntryNames,
}

impl<'a, W: Write + Seek> ParquetWriter<'a, W> {
    pub(super) fn begin(archive: &'a mut ZipWriter<W>) -> Result<Self, ExportError> {
        let fields = FIELDS
            .iter()
            .map(|field| {
                let (physical, repetition) = match field.take {
                    Take::EntryName | Take::Text(_) => {
                        (PhysicalType::BYTE_ARRAY, Repetition::OPTIONAL)
                    }
                    Take::Int32(_) => (PhysicalType::INT32, Repetition::REQUIRED),
                    Take::Int64(_) => (PhysicalType::INT64, Repetition::REQUIRED),
                    Take::Float(_) => (PhysicalType::FLOAT, Repetition::OPTIONAL),
                };
                let text = matches!(field.take, Take::EntryName | Take::Text(_))
                    .then_some(LogicalType::String);
                let column = Type::primitive_type_builder(field.name, physical)
                    .with_repetition(repetition)
                    .with_logical_type(text);
                column.build().map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("media_items")
            .with_fields(fields)
            .build()?;
        let properties = WriterProperties::builder().build();
        let file =
            SerializedFileWriter::new(Spool::new()?, Arc::new(schema), Arc::new(properties))?;
        Ok(Self {
            archive,
            file,
            columns: empty(),
            rows: 0,
            names: EntryNames::default(),
        })
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.file.next_row_group()?;
        for column in std::mem::replace(&mut self.columns, empty()) {
            write_column(&mut group, column)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

fn empty() -> Vec<Column> {
    let column = |field: &Field| match field.take {
        Take::EntryName | Take::Text(_) => Column::Text(Vec::new()),
        Take::Int32(_) => Column::Int32(Vec::new()),
        Take::Int64(_) => Column::Int64(Vec::new()),
        Take::Float(_) => Column::Float(Vec::new()),
    };
    FIELDS.iter().map(column).collect()
}

/// Values that are there, and for each row whether it has one.
fn present<T>(values: Vec<Option<T>>) -> (Vec<T>, Vec<i16>) {
    let levels = values
        .iter()
        .map(|value| i16::from(value.is_some()))
        .collect();
    (values.into_iter().flatten().collect(), levels)
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, Spool>,
    column: Column,
) -> Result<(), ExportError> {
    let Some(mut writer) = group.next_column()? else {
        return Ok(());
    };
    match column {
        Column::Text(values) => {
            let (values, levels) = present(values);
            writer
                .typed::<ByteArrayType>()
                .write_batch(&values, Some(&levels), None)?;
        }
        Column::Float(values) => {
            let (values, levels) = present(values);
            writer
                .typed::<FloatType>()
                .write_batch(&values, Some(&levels), None)?;
        }
        Column::Int32(values) => {
            writer
                .typed::<Int32Type>()
                .write_batch(&values, None, None)?;
        }
        Column::Int64(values) => {
            writer
                .typed::<Int64Type>()
                .write_batch(&values, None, None)?;
        }
    }
    writer.close()?;
    Ok(())
}

impl<W: Write + Seek> FormatWriter for ParquetWriter<'_, W> {
    fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        let name = self.names.of(&item.file_path);
        for (column, field) in self.columns.iter_mut().zip(&FIELDS) {
            match (column, &field.take) {
                (Column::Text(values), Take::EntryName) => {
                    values.push(Some(ByteArray::from(name.as_str())));
                }
                (Column::Text(values), Take::Text(take)) => {
                    values.push(take(item).map(|text| ByteArray::from(text.into_bytes())));
                }
                (Column::Int32(values), Take::Int32(take)) => values.push(take(item)),
                (Column::Int64(values), Take::Int64(take)) => values.push(take(item)),
                (Column::Float(values), Take::Float(take)) => values.push(take(item)),
                // Columns are made from the same list.
                (Column::Text(_) | Column::Int32(_) | Column::Int64(_) | Column::Float(_), _) => {}
            }
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), ExportError> {
        self.flush()?;
        let Self { archive, file, .. } = *self;
        let spool = file.into_inner()?;
        start_entry(archive, "metadata.parquet")?;
        spool.pour(archive)?;
        Ok(())
    }
}
