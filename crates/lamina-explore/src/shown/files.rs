//! The files of pictures as records.

use std::io;

use lamina_store::shown::ShownFile;
use lamina_types::MediaId;

use super::records::{Records, RecordsWriter};

/// What pages show of the files of pictures, by ordinal.
#[derive(Debug)]
pub(super) struct Files(pub(super) Records);

impl Files {
    /// Writes the record of a file.
    ///
    /// # Errors
    /// The disk.
    pub(super) fn put(writer: &mut RecordsWriter, file: &ShownFile) -> io::Result<()> {
        let name_bytes = u32::try_from(file.file_name.len()).map_err(io::Error::other)?;
        writer.put(
            file.ordinal,
            &[
                file.id.as_uuid().as_bytes(),
                &file.width.to_le_bytes(),
                &file.height.to_le_bytes(),
                &file.byte_size.to_le_bytes(),
                &name_bytes.to_le_bytes(),
                file.file_name.as_bytes(),
                file.original_uri.as_bytes(),
            ],
        )
    }

    /// Bytes held, without those of a mapped file.
    pub(super) fn bytes_in_memory(&self) -> usize {
        self.0.bytes_in_memory()
    }

    /// The file of a picture; `None` for one that came later.
    pub(super) fn get(&self, ordinal: u32) -> Option<ShownFile> {
        let record = self.0.get(ordinal)?;
        let (id, rest) = record.split_first_chunk()?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let (byte_size, rest) = rest.split_first_chunk()?;
        let (name_bytes, rest) = rest.split_first_chunk()?;
        let (name, uri) = rest.split_at_checked(u32::from_le_bytes(*name_bytes) as usize)?;
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Some(ShownFile {
            id: MediaId::from_uuid(uuid::Uuid::from_bytes(*id)),
            ordinal,
            file_name: text(name)?,
            original_uri: text(uri)?,
            width: u32::from_le_bytes(*width),
            height: u32::from_le_bytes(*height),
            byte_size: u64::from_le_bytes(*byte_size),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = RecordsWriter::new(folder.path(), 3).unwrap();
        let file = |ordinal: u32, name: &str, uri: &str| ShownFile {
            id: MediaId::new(),
            ordinal,
            file_name: name.to_owned(),
            original_uri: uri.to_owned(),
            width: 16_384,
            height: 1,
            byte_size: u64::MAX - u64::from(ordinal),
        };
        let files = [file(2, "naïve 猫.jpg", "a/naïve 猫.jpg"), file(0, "", "")];
        for file in &files {
            Files::put(&mut writer, file).unwrap();
        }
        let kept = Files(writer.finish().unwrap());
        for file in files {
            assert_eq!(kept.get(file.ordinal), Some(file));
        }
        assert_eq!(kept.get(1), None);
    }
}
