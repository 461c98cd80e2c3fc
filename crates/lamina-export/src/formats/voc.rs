//! Pascal VOC: an XML file a picture, with boxes by their corners in pixels, from 0 and not rounded.

use std::fmt::Write as _;
use std::io::{Seek, Write};

use zip::ZipWriter;

use super::{FormatWriter, start_entry};
use crate::ExportError;
use crate::archive::EntryNames;
use crate::item::Item;

/// Writes the boxes of a picture as soon as it comes.
pub struct VocWriter<'a, W: Write + Seek> {
    archive: &'a mut ZipWriter<W>,
    names: EntryNames,
}

impl<'a, W: Write + Seek> VocWriter<'a, W> {
    pub(super) fn begin(archive: &'a mut ZipWriter<W>) -> Self {
        Self {
            archive,
            names: EntryNames::default(),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl<W: Write + Seek> FormatWriter for VocWriter<'_, W> {
    fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        let mut text = format!(
            "<annotation><filename>{}</filename><size><width>{}</width><height>{}</height><depth>3</depth></size>",
            escaped(&item.file_path),
            item.width,
            item.height
        );
        let (width, height) = (f64::from(item.width), f64::from(item.height));
        for object in &item.objects {
            let region = &object.region;
            // Writing to a text cannot fail.
            let _ = write!(
                text,
                "<object><name>{}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>\
                 <xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>",
                escaped(&object.label),
                region.x * width,
                region.y * height,
                (region.x + region.width) * width,
                (region.y + region.height) * height
            );
        }
        text.push_str("</annotation>\n");
        let picture = self.names.of(&item.file_path);
        let stem = picture
            .rsplit_once('.')
            .map_or(picture.as_str(), |(stem, _)| stem);
        start_entry(self.archive, &format!("Annotations/{stem}.xml"))?;
        self.archive.write_all(text.as_bytes())?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        Ok(())
    }
}
