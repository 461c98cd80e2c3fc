//! The archive: metadata in one of the formats, and originals under `images/` when they are wanted.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};

use lamina_types::ExportFormat;
use zip::ZipWriter;

use crate::ExportError;
use crate::formats::{self, FormatWriter};
use crate::item::{About, Item};

/// Names of entries made of paths inside a source: never absolute, never upwards, never the same twice.
#[derive(Debug, Default)]
pub struct EntryNames(HashSet<String>);

impl EntryNames {
    /// The entry name for a path; `name (2).jpg` when `name.jpg` is taken.
    pub fn of(&mut self, path: &str) -> String {
        let parts: Vec<&str> = path
            .split(['/', '\\'])
            .filter(|part| !matches!(*part, "" | "." | ".."))
            .collect();
        let plain = match parts
            .join("/")
            .replace(|c: char| c.is_control() || c == ':', "_")
        {
            empty if empty.is_empty() => "unnamed".to_owned(),
            name => name,
        };
        let mut name = plain.clone();
        let mut number = 2;
        while !self.0.insert(name.clone()) {
            let (stem, extension) = match plain.rsplit_once('.') {
                Some((stem, extension)) if !extension.contains('/') => {
                    (stem, format!(".{extension}"))
                }
                _ => (plain.as_str(), String::new()),
            };
            name = format!("{stem} ({number}){extension}");
            number += 1;
        }
        name
    }
}

/// Writes metadata first, pictures after it: the items are walked through twice, so that neither is ever held in memory.
pub struct ArchiveWriter {
    archive: ZipWriter<BufWriter<File>>,
    names: EntryNames,
}

impl ArchiveWriter {
    /// An archive in this file, which is empty.
    pub fn new(file: File) -> Self {
        Self {
            archive: ZipWriter::new(BufWriter::new(file)),
            names: EntryNames::default(),
        }
    }

    /// Writes the metadata of everything that `next` gives, batch by batch, until it gives `None`.
    ///
    /// # Errors
    /// The disk; whatever `next` fails with.
    pub fn metadata(
        &mut self,
        format: ExportFormat,
        about: &About,
        mut next: impl FnMut() -> Result<Option<Vec<Item>>, ExportError>,
    ) -> Result<(), ExportError> {
        let mut writer: Box<dyn FormatWriter + '_> =
            formats::writer(format, &mut self.archive, about)?;
        while let Some(items) = next()? {
            for item in &items {
                writer.item(item)?;
            }
        }
        writer.finish()
    }

    /// Adds an original as it is: pictures are compressed already. One that is gone takes its name all the same. Called in the
    /// order of the items.
    ///
    /// # Errors
    /// The disk.
    pub fn picture(&mut self, path: &str, bytes: Option<&[u8]>) -> Result<(), ExportError> {
        let name = format!("images/{}", self.names.of(path));
        let Some(bytes) = bytes else {
            return Ok(());
        };
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .large_file(bytes.len() > u32::MAX as usize / 2);
        self.archive.start_file(name, options)?;
        self.archive.write_all(bytes)?;
        Ok(())
    }

    /// Ends the archive and makes it durable.
    ///
    /// # Errors
    /// The disk.
    pub fn finish(self) -> Result<(), ExportError> {
        let buffered = self.archive.finish()?;
        let file = buffered
            .into_inner()
            .map_err(|error| ExportError::Io(error.into_error()))?;
        file.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_and_apart() {
        let mut names = EntryNames::default();
        for (path, name) in [
            ("a/b.jpg", "a/b.jpg"),
            ("a/b.jpg", "a/b (2).jpg"),
            ("a//b.jpg", "a/b (3).jpg"),
            ("../../etc/passwd", "etc/passwd"),
            ("C:\\x.png", "C_/x.png"),
            ("..", "unnamed"),
            ("d.d/plain", "d.d/plain"),
            ("d.d/plain", "d.d/plain (2)"),
        ] {
            assert_eq!(names.of(path), name);
        }
    }
}
