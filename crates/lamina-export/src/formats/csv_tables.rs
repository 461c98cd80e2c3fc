//! CSV: a table of pictures and one each of picture labels and boxes, in the forms that annotations are imported from.

use std::fs::File;
use std::io::{Seek, Write};

use lamina_types::MediaId;
use zip::ZipWriter;

use super::{FormatWriter, start_entry};
use crate::ExportError;
use crate::item::Item;
use crate::spool::Spool;

/// Three tables; an archive takes one entry at a time, so they grow in files of their own first.
pub struct CsvWriter<'a, W: Write + Seek> {
    archive: &'a mut ZipWriter<W>,
    media: csv::Writer<File>,
    labels: csv::Writer<File>,
    objects: csv::Writer<File>,
}

impl<'a, W: Write + Seek> CsvWriter<'a, W> {
    pub(super) fn begin(archive: &'a mut ZipWriter<W>) -> Result<Self, ExportError> {
        let table = |header: &[&str]| -> Result<csv::Writer<File>, ExportError> {
            let mut table = csv::Writer::from_writer(tempfile::tempfile()?);
            table.write_record(header)?;
            Ok(table)
        };
        Ok(Self {
            archive,
            media: table(&[
                "filename",
                "media_id",
                "width",
                "height",
                "file_size",
                "uniqueness_score",
                "search_confidence",
                "cluster_id",
                "caption",
                "user_tags",
                "issues",
            ])?,
            labels: table(&["filename", "label", "source"])?,
            objects: table(&[
                "filename",
                "col_x",
                "row_y",
                "width",
                "height",
                "label",
                "source",
                "confidence",
                "caption",
            ])?,
        })
    }
}

/// Confidence from which on an issue is listed.
const LEAST_CONFIDENCE: f32 = 0.5;

impl<W: Write + Seek> FormatWriter for CsvWriter<'_, W> {
    fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        let number = |value: Option<f32>| value.map(|value| value.to_string()).unwrap_or_default();
        let tags: Vec<&str> = item.tags.iter().map(|tag| tag.name.as_str()).collect();
        let issues: Vec<&str> = item
            .issues
            .iter()
            // A name without its confidence is a claim.
            .filter(|(_, confidence)| *confidence >= LEAST_CONFIDENCE)
            .map(|(issue, _)| issue.as_str())
            .collect();
        self.media.write_record([
            item.file_path.as_str(),
            &item.media_id.to_string(),
            &item.width.to_string(),
            &item.height.to_string(),
            &item.byte_size.to_string(),
            &number(item.uniqueness),
            &number(item.distance),
            &item.cluster_id.map(|id| id.to_string()).unwrap_or_default(),
            item.caption.as_ref().map_or("", |(text, _)| text.as_str()),
            &tags.join(";"),
            &issues.join(";"),
        ])?;
        for label in &item.labels {
            self.labels
                .write_record([&item.file_path, &label.name, label.source])?;
        }
        for object in &item.objects {
            // Not rounded to whole pixels, so that the boxes that went in come out.
            let (width, height) = (f64::from(item.width), f64::from(item.height));
            let region = &object.region;
            self.objects.write_record([
                item.file_path.as_str(),
                &(region.x * width).to_string(),
                &(region.y * height).to_string(),
                &(region.width * width).to_string(),
                &(region.height * height).to_string(),
                &object.label,
                object.source,
                &number(object.confidence),
                object.caption.as_deref().unwrap_or_default(),
            ])?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        let Self {
            archive,
            media,
            labels,
            objects,
        } = *self;
        for (name, table) in [
            ("media.csv", media),
            ("image_annotations.csv", labels),
            ("object_annotations.csv", objects),
        ] {
            let file = table
                .into_inner()
                .map_err(|error| ExportError::Io(error.into_error()))?;
            start_entry(archive, name)?;
            Spool::from(file).pour(archive)?;
        }
        Ok(())
    }
}

/// Lines of `filename,media_id`, without the header.
///
/// # Errors
/// None that memory has.
pub fn media_id_lines<'a>(
    media: impl Iterator<Item = (&'a str, MediaId)>,
) -> std::io::Result<Vec<u8>> {
    let mut lines = csv::Writer::from_writer(Vec::new());
    for (name, id) in media {
        lines
            .write_record([name, &id.to_string()])
            .map_err(std::io::Error::other)?;
    }
    lines.into_inner().map_err(|error| error.into_error())
}
