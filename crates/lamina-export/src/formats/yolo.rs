//! YOLO: one text file a picture with a line a box (class, centre and size as fractions), and `data.yaml` with the names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Seek, Write};

use zip::ZipWriter;

use super::{FormatWriter, start_entry};
use crate::ExportError;
use crate::archive::EntryNames;
use crate::item::Item;

/// Writes the boxes of a picture as soon as it comes.
pub struct YoloWriter<'a, W: Write + Seek> {
    archive: &'a mut ZipWriter<W>,
    classes: BTreeMap<String, usize>,
    names: EntryNames,
}

impl<'a, W: Write + Seek> YoloWriter<'a, W> {
    pub(super) fn begin(archive: &'a mut ZipWriter<W>) -> Self {
        Self {
            archive,
            classes: BTreeMap::new(),
            names: EntryNames::default(),
        }
    }
}

impl<W: Write + Seek> FormatWriter for YoloWriter<'_, W> {
    fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        let mut lines = String::new();
        for object in &item.objects {
            let next = self.classes.len();
            let class = *self.classes.entry(object.label.clone()).or_insert(next);
            let region = &object.region;
            let (x, y) = (
                region.x + region.width / 2.0,
                region.y + region.height / 2.0,
            );
            // Writing to a text cannot fail.
            let _ = writeln!(lines, "{class} {x} {y} {} {}", region.width, region.height);
        }
        // The same stem as the picture's under images/, so that the usual loaders find the two together.
        let picture = self.names.of(&item.file_path);
        let stem = picture
            .rsplit_once('.')
            .map_or(picture.as_str(), |(stem, _)| stem);
        start_entry(self.archive, &format!("labels/{stem}.txt"))?;
        self.archive.write_all(lines.as_bytes())?;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        let mut names: Vec<(usize, String)> = self
            .classes
            .into_iter()
            .map(|(name, class)| (class, name))
            .collect();
        names.sort_unstable();
        start_entry(self.archive, "data.yaml")?;
        let archive = self.archive;
        write!(
            archive,
            "path: .\ntrain: images\nval: images\nnc: {}\nnames:\n",
            names.len()
        )?;
        for (class, name) in names {
            // JSON texts are YAML texts.
            writeln!(archive, "  {class}: {}", serde_json::to_string(&name)?)?;
        }
        Ok(())
    }
}
