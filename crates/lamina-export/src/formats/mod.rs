//! The formats, one file each: what is written about the selected pictures, item by item, in constant memory.

mod coco;
mod csv_tables;
mod json;
mod parquet_table;
mod voc;
mod yolo;

use std::io::{Seek, Write};

use chrono::{DateTime, Utc};
use lamina_types::ExportFormat;
use zip::ZipWriter;

pub use csv_tables::media_id_lines;
pub use json::JsonWriter;

use crate::ExportError;
use crate::item::{About, Item};

/// Takes the items one after the other.
pub trait FormatWriter {
    /// Writes one item.
    ///
    /// # Errors
    /// The disk; a value that the format cannot hold.
    fn item(&mut self, item: &Item) -> Result<(), ExportError>;

    /// Writes what comes after the last item.
    ///
    /// # Errors
    /// The disk.
    fn finish(self: Box<Self>) -> Result<(), ExportError>;
}

/// The writer of a format, into the archive.
pub(crate) fn writer<'a, W: Write + Seek + Send>(
    format: ExportFormat,
    archive: &'a mut ZipWriter<W>,
    about: &About,
) -> Result<Box<dyn FormatWriter + 'a>, ExportError> {
    Ok(match format {
        ExportFormat::Json => {
            start_entry(archive, "metadata.json")?;
            Box::new(JsonWriter::begin(archive, about)?)
        }
        ExportFormat::Parquet => Box::new(parquet_table::ParquetWriter::begin(archive)?),
        ExportFormat::Csv => Box::new(csv_tables::CsvWriter::begin(archive)?),
        ExportFormat::Coco => Box::new(coco::CocoWriter::begin(archive, about)?),
        ExportFormat::Voc => Box::new(voc::VocWriter::begin(archive)),
        ExportFormat::Yolo => Box::new(yolo::YoloWriter::begin(archive)),
    })
}

/// Begins a compressed entry of the archive; what is written to it next goes there.
pub(crate) fn start_entry<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
) -> Result<(), ExportError> {
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .large_file(true);
    archive.start_file(name, options)?;
    Ok(())
}

/// The number that people wrote: 0.96 stays 0.96 and does not become 0.9599999785423279 on its way through JSON.
fn decimal(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .unwrap_or_else(|_| f64::from(value))
}

/// The contract's time: microseconds, no zone, which is UTC.
fn timestamp(moment: DateTime<Utc>) -> String {
    moment.format("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}
