//! The files of an upload transaction as a source: their bytes are in the blob store already.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;

use lamina_store::uploads;
use lamina_types::{RejectReason, Rejection, UserId};

use crate::PipelineError;
use crate::sources::{FetchError, Fetched, ListedItem, MediaSource, SourceError};
use crate::workshop::Workshop;

/// Files read from the database at once.
const PAGE: i64 = 10_000;

/// The files of one transaction, in order of arrival.
pub(super) struct UploadSource {
    files: Vec<UploadedFile>,
}

struct UploadedFile {
    file_name: String,
    path: PathBuf,
}

impl UploadSource {
    /// Reads the list of files.
    pub(super) async fn load(
        workshop: &Workshop,
        owner: UserId,
        transaction: i64,
    ) -> Result<Self, PipelineError> {
        let mut files = Vec::new();
        loop {
            let first = i64::try_from(files.len()).unwrap_or(i64::MAX);
            let page = uploads::files(&workshop.pool, transaction, first, PAGE).await?;
            if page.is_empty() {
                return Ok(Self { files });
            }
            files.extend(page.into_iter().map(|file| UploadedFile {
                path: workshop.blobs.content_path(owner, file.hash),
                file_name: file.file_name,
            }));
        }
    }
}

impl MediaSource for UploadSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        for (position, file) in self.files.iter().enumerate() {
            let item = ListedItem {
                // The same name may come twice; the position tells the two apart.
                source_key: position.to_string(),
                file_name: file.file_name.clone(),
                original_uri: file.file_name.clone(),
                rejection: None,
            };
            if stop() || each(item).is_break() {
                return Err(SourceError::Stopped);
            }
        }
        Ok(())
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let file = source_key
            .parse()
            .ok()
            .and_then(|position: usize| self.files.get(position));
        let Some(file) = file else {
            return Err(
                Rejection::new(RejectReason::Unreadable, "no such file in the upload").into(),
            );
        };
        // The path of a blob is nobody's choice but ours: no need for the checks that foreign paths get.
        let opened = fs_err::File::open(&file.path)
            .map(fs_err::File::into_parts)
            .map(|(file, _)| file);
        let bytes = opened
            .and_then(|file| read(file, max_bytes))
            .map_err(FetchError::Io)?;
        if bytes.len() as u64 > max_bytes {
            let detail = format!("more than {max_bytes} bytes");
            return Err(Rejection::new(RejectReason::TooManyBytes, detail).into());
        }
        Ok(Fetched {
            bytes: bytes.into(),
            path: None,
        })
    }
}

fn read(file: File, max_bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
