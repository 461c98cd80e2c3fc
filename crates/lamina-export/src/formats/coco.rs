//! COCO: `annotations.json` with images, annotations and categories.
//!
//! The three lists follow each other in the file, so annotations wait in a temporary file until the last picture is written.

use std::collections::BTreeMap;
use std::io::{BufWriter, Seek, Write};

use serde_json::json;
use zip::ZipWriter;

use super::{FormatWriter, start_entry, timestamp};
use crate::ExportError;
use crate::item::{About, Item};
use crate::spool::Spool;

/// Writes pictures at once and keeps boxes for later.
pub struct CocoWriter<'a, W: Write + Seek> {
    archive: &'a mut ZipWriter<W>,
    annotations: BufWriter<Spool>,
    /// Category ids by name, in the order in which they came.
    categories: BTreeMap<String, u64>,
    images: u64,
    boxes: u64,
}

impl<'a, W: Write + Seek> CocoWriter<'a, W> {
    pub(super) fn begin(archive: &'a mut ZipWriter<W>, about: &About) -> Result<Self, ExportError> {
        start_entry(archive, "annotations.json")?;
        let info = json!({
            "description": about.dataset,
            "url": about.dataset_url,
            "contributor": about.exported_by,
            "date_created": timestamp(about.exported_at),
        });
        write!(archive, "{{\"info\":{info},\"licenses\":[],\"images\":[")?;
        Ok(Self {
            archive,
            annotations: BufWriter::new(Spool::new()?),
            categories: BTreeMap::new(),
            images: 0,
            boxes: 0,
        })
    }

    fn category(&mut self, name: &str) -> u64 {
        let next = self.categories.len() as u64 + 1;
        *self.categories.entry(name.to_owned()).or_insert(next)
    }
}

impl<W: Write + Seek> FormatWriter for CocoWriter<'_, W> {
    fn item(&mut self, item: &Item) -> Result<(), ExportError> {
        if self.images > 0 {
            self.archive.write_all(b",")?;
        }
        self.images += 1;
        let image = json!({
            "id": self.images,
            "file_name": item.file_path,
            "width": item.width,
            "height": item.height,
            "media_id": item.media_id,
        });
        serde_json::to_writer(&mut *self.archive, &image)?;
        for object in &item.objects {
            let category = self.category(&object.label);
            if self.boxes > 0 {
                self.annotations.write_all(b",")?;
            }
            self.boxes += 1;
            let [width, height] = [item.width, item.height].map(f64::from);
            let region = &object.region;
            let bbox = [
                region.x * width,
                region.y * height,
                region.width * width,
                region.height * height,
            ];
            let mut annotation = json!({
                "id": self.boxes,
                "image_id": self.images,
                "category_id": category,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
                "segmentation": [],
            });
            if let (Some(score), Some(map)) = (object.confidence, annotation.as_object_mut()) {
                map.insert("score".to_owned(), json!(score));
            }
            serde_json::to_writer(&mut self.annotations, &annotation)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        let Self {
            archive,
            annotations,
            categories,
            ..
        } = *self;
        archive.write_all(b"],\"annotations\":[")?;
        let spool = annotations
            .into_inner()
            .map_err(|error| ExportError::Io(error.into_error()))?;
        spool.pour(archive)?;
        let mut categories: Vec<(u64, String)> = categories
            .into_iter()
            .map(|(name, id)| (id, name))
            .collect();
        categories.sort_unstable();
        let categories: Vec<_> = categories
            .into_iter()
            .map(|(id, name)| json!({"id": id, "name": name, "supercategory": ""}))
            .collect();
        archive.write_all(b"],\"categories\":")?;
        serde_json::to_writer(&mut *archive, &categories)?;
        archive.write_all(b"}")?;
        Ok(())
    }
}
