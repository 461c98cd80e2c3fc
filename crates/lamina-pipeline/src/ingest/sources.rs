//! Sources of running jobs, opened once and shared by the chunks of a job: an archive's directory is read once, not
//! once a chunk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lamina_types::{IngestSource, IngestSpec, UserId};
use uuid::Uuid;

use crate::PipelineError;
use crate::sources::{
    BucketSource, Elsewhere, MediaSource, RemoteListSource, SourceError, SourceLimits, TarSource,
    open_file_list, open_folder, open_zip,
};
use crate::workshop::Workshop;

/// Jobs whose sources stay open at once; more are opened anew for each chunk.
const MOST_OPEN: usize = 64;

/// Sources by job.
#[derive(Default)]
pub(super) struct OpenSources(Mutex<HashMap<Uuid, Arc<dyn MediaSource>>>);

impl OpenSources {
    /// The source of a job, opened on first use.
    ///
    /// # Errors
    /// The source cannot be read.
    pub(super) async fn get(
        &self,
        workshop: &Workshop,
        job: Uuid,
        owner: UserId,
        spec: &IngestSpec,
    ) -> Result<Arc<dyn MediaSource>, PipelineError> {
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&job)
            .cloned();
        if let Some(source) = known {
            return Ok(source);
        }
        let source = open(workshop, owner, spec).await?;
        let mut sources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() < MOST_OPEN {
            sources.insert(job, Arc::clone(&source));
        }
        Ok(source)
    }

    /// Forgets the source of a job that ended.
    pub(super) fn close(&self, job: Uuid) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&job);
    }
}

async fn open(
    workshop: &Workshop,
    owner: UserId,
    spec: &IngestSpec,
) -> Result<Arc<dyn MediaSource>, PipelineError> {
    let roots: Vec<PathBuf> = spec.roots.iter().map(PathBuf::from).collect();
    let limits = SourceLimits::default();
    let source = spec.source.clone();
    if let IngestSource::Upload { transaction } = source {
        return Ok(Arc::new(
            super::upload::UploadSource::load(workshop, owner, transaction).await?,
        ));
    }
    let archive = match &source {
        IngestSource::ArchiveBlob { content, .. } => {
            Some(workshop.blobs.content_path(owner, *content))
        }
        IngestSource::Folder { .. }
        | IngestSource::FileList { .. }
        | IngestSource::Bucket { .. }
        | IngestSource::RemoteList { .. }
        | IngestSource::ArchiveFile { .. }
        | IngestSource::Upload { .. } => None,
    };
    let elsewhere = Elsewhere::new(workshop.remotes.clone(), tokio::runtime::Handle::current());
    let scratch = workshop.blobs.staging_dir();
    let opened =
        tokio::task::spawn_blocking(move || -> Result<Arc<dyn MediaSource>, SourceError> {
            Ok(match (source, archive) {
                (IngestSource::Folder { path }, _) => {
                    Arc::new(open_folder(Path::new(&path), &roots, limits)?)
                }
                (IngestSource::FileList { path }, _) => {
                    let list = open_file_list(Path::new(&path), &roots, limits)?;
                    Arc::new(list.with_elsewhere(elsewhere))
                }
                (IngestSource::Bucket { bucket, prefix }, _) => {
                    Arc::new(BucketSource::open(elsewhere, &bucket, &prefix, limits)?)
                }
                (IngestSource::RemoteList { address }, _) => {
                    Arc::new(RemoteListSource::open(elsewhere, &address, limits)?)
                }
                (IngestSource::ArchiveFile { path }, _) => {
                    Arc::new(open_zip(Path::new(&path), &roots, limits)?)
                }
                (_, Some(path)) => {
                    // Our own blob: its folder is the only root.
                    let root = path
                        .parent()
                        .map(Path::to_path_buf)
                        .into_iter()
                        .collect::<Vec<_>>();
                    match open_zip(&path, &root, limits.clone()) {
                        Ok(zip) => Arc::new(zip),
                        // What is no zip archive may be the other kind.
                        Err(SourceError::NotAnArchive) => {
                            let folder = path.parent().unwrap_or(&path);
                            Arc::new(TarSource::open(&path, folder, &scratch, limits)?)
                        }
                        Err(error) => return Err(error),
                    }
                }
                (_, None) => return Err(SourceError::NotFound),
            })
        })
        .await??;
    Ok(opened)
}
