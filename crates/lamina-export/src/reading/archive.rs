//! A zip archive of annotation files.

use std::io::{Cursor, Read as _};

use super::{AnnotationReader, FileRows, Kind, kind_of};

/// Unpacked bytes of one archive; what an archive says of itself is not believed.
pub const MAX_UNPACKED_BYTES: u64 = 2 << 30;

/// Reads every entry that is an annotation file; pictures and the like are passed over.
pub(super) fn read(bytes: &[u8], reader: &mut AnnotationReader, file: &mut FileRows) {
    let mut archive = match zip::ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) => archive,
        Err(error) => return file.problem(0, format!("the archive cannot be read: {error}")),
    };
    let mut left = MAX_UNPACKED_BYTES;
    for place in 0..archive.len() {
        let number = place as u64 + 1;
        let entry = match archive.by_index(place) {
            Ok(entry) => entry,
            Err(error) => {
                file.problem(number, format!("the entry cannot be read: {error}"));
                continue;
            }
        };
        let name = match entry.name() {
            Ok(name) => super::path(&name),
            Err(error) => {
                file.problem(number, format!("the entry cannot be read: {error}"));
                continue;
            }
        };
        // Archives in archives are not looked into.
        if entry.is_dir() || matches!(kind_of(&name), None | Some(Kind::Archive)) {
            continue;
        }
        let mut unpacked = Vec::new();
        match entry
            .take(left.saturating_add(1))
            .read_to_end(&mut unpacked)
        {
            Ok(read) if read as u64 > left => {
                return file.problem(number, "the archive is too large when it is unpacked");
            }
            Ok(read) => {
                left -= read as u64;
                reader.add(&name, &unpacked);
            }
            Err(error) => file.problem(number, format!("the entry cannot be read: {error}")),
        }
    }
}
