//! Exports: the archive of what was selected, streamed into a file beside the blobs and moved in when it is whole.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use lamina_explore::Explorer;
use lamina_export::gather::{BATCH, Gatherer, Wanted};
use lamina_export::{About, ArchiveWriter, ExportError, Item};
use lamina_jobs::{ClaimedChunk, Completed, JobContext, JobError, JobHandler, Next};
use lamina_store::datasets::{self, DatasetAccess};
use lamina_store::exports::{self, Export, Selected};
use lamina_store::media;
use lamina_store::sqlx::PgConnection;
use lamina_types::{ExportSpec, JobKind, SimilarityThreshold};
use tokio::sync::mpsc;

use crate::PipelineError;
use crate::enrich::originals;
use crate::workshop::Workshop;

/// Batches of metadata, and pictures, that wait for the writer.
const WAITING: usize = 2;

/// Originals looked up at once.
const PICTURES: usize = 64;

/// Runs export jobs.
pub struct ExportHandler {
    workshop: Workshop,
    explorer: Explorer,
}

/// An original on its way into the archive.
struct Picture {
    path: String,
    /// None when there is no such file any more; its name is taken all the same, so that the others' are those of the metadata.
    bytes: Option<Bytes>,
}

/// What the writer takes.
struct Lines {
    items: mpsc::Sender<Vec<Item>>,
    pictures: mpsc::Sender<Picture>,
}

impl ExportHandler {
    /// A handler that works with these tools.
    pub const fn new(workshop: Workshop, explorer: Explorer) -> Self {
        Self { workshop, explorer }
    }

    async fn export(
        &self,
        spec: &ExportSpec,
        context: &JobContext,
    ) -> Result<Completed, PipelineError> {
        let pool = &self.workshop.pool;
        let found = exports::find(pool, spec.export_id).await?;
        let access = match &found {
            Some(export) => datasets::access_of_system(pool, export.dataset_id).await?,
            None => None,
        };
        let (Some(export), Some(access)) = (found, access) else {
            // Forgotten, or its dataset was deleted: there is nobody to write for.
            let mut tx = pool.begin().await?;
            let completed = context.complete(&mut tx, Next::Nothing).await?;
            tx.commit().await?;
            return Ok(completed);
        };
        let path = self.workshop.blobs.staging_dir().join(format!(
            "export-{}-{}",
            export.id,
            uuid::Uuid::now_v7()
        ));
        let written = self.write(&export, &access, path.clone(), context).await;
        if let Err(error) = written {
            // Best effort; what is left is swept later.
            let _ = fs_err::remove_file(&path);
            return Err(error);
        }
        fail::fail_point!("export_written");
        let key = self
            .workshop
            .blobs
            .put_export(export.dataset_id, export.id, &path)
            .await?;
        fail::fail_point!("export_moved_in");
        let mut tx = pool.begin().await?;
        context.fence(&mut tx).await?;
        exports::complete(&mut *tx, export.id, &key).await?;
        let completed = context.complete(&mut tx, Next::Nothing).await?;
        tx.commit().await?;
        Ok(completed)
    }

    /// Writes the whole archive. Gathering and writing go on side by side; neither holds more than a few batches.
    async fn write(
        &self,
        export: &Export,
        access: &DatasetAccess,
        path: PathBuf,
        context: &JobContext,
    ) -> Result<(), PipelineError> {
        let pool = &self.workshop.pool;
        let members = exports::members(pool, export.id).await?;
        let level = SimilarityThreshold::new(i64::from(export.level))
            .unwrap_or(SimilarityThreshold::FINEST);
        let wanted = Wanted {
            entity_type: export.entity_type,
            level,
            members,
        };
        let gatherer = Gatherer::open(&self.explorer, access, &wanted).await?;
        let about = About {
            dataset: access.dataset().display_name.clone(),
            dataset_url: export.dataset_url.clone(),
            created_at: access.dataset().created_at,
            exported_at: chrono::Utc::now(),
            exported_by: export.exported_by.clone(),
            items: gatherer.as_ref().map_or(0, Gatherer::count),
        };
        let (items, mut items_in) = mpsc::channel::<Vec<Item>>(WAITING);
        let (pictures, mut pictures_in) = mpsc::channel::<Picture>(WAITING);
        let format = export.format;
        let writer = tokio::task::spawn_blocking(move || -> Result<(), ExportError> {
            let mut archive = ArchiveWriter::new(fs_err::File::create(path)?.into_parts().0);
            archive.metadata(format, &about, || Ok(items_in.blocking_recv()))?;
            while let Some(picture) = pictures_in.blocking_recv() {
                archive.picture(&picture.path, picture.bytes.as_deref())?;
            }
            archive.finish()
        });
        let fed = self
            .feed(
                export,
                &wanted.members,
                gatherer,
                Lines { items, pictures },
                context,
            )
            .await;
        // The writer's own failure explains a line that broke; it ends by itself when the lines are gone.
        writer.await??;
        fed
    }

    async fn feed(
        &self,
        export: &Export,
        members: &[Selected],
        gatherer: Option<Gatherer<'_>>,
        lines: Lines,
        context: &JobContext,
    ) -> Result<(), PipelineError> {
        let pool = &self.workshop.pool;
        let Lines { items, pictures } = lines;
        let stopped = || JobError::Interrupted;
        let Some(mut gatherer) = gatherer else {
            return Ok(());
        };
        let mut wanted = Vec::new();
        for (number, batch) in members.chunks(BATCH).enumerate() {
            if context.cancelled().is_cancelled() {
                return Err(stopped().into());
            }
            let found = gatherer.items(batch).await?;
            if export.include_images {
                wanted.extend(found.iter().map(|item| item.ordinal));
            }
            if items.send(found).await.is_err() {
                return Ok(());
            }
            context.tick();
            let done = (number * BATCH + batch.len()) as u64;
            // With pictures the metadata is the smaller half of the work.
            let done = if export.include_images {
                done / 2
            } else {
                done
            };
            exports::set_written(pool, export.id, done).await?;
        }
        drop(items);
        for (number, batch) in wanted.chunks(PICTURES).enumerate() {
            if context.cancelled().is_cancelled() {
                return Err(stopped().into());
            }
            for row in media::by_ordinals(pool, export.dataset_id, batch).await? {
                let bytes = originals::fetch(&self.workshop, &row).await?;
                if let Err(rejection) = &bytes {
                    tracing::warn!(
                        export.id = %export.id, media.id = %row.id, reason = %rejection,
                        "an original is left out of an export"
                    );
                }
                let picture = Picture {
                    path: row.original_uri,
                    bytes: bytes.ok(),
                };
                if pictures.send(picture).await.is_err() {
                    return Ok(());
                }
            }
            context.tick();
            let share = (number * PICTURES + batch.len()) as f64 / wanted.len().max(1) as f64;
            let half = members.len() as f64 / 2.0;
            exports::set_written(pool, export.id, (half + half * share) as u64).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl JobHandler for ExportHandler {
    fn kind(&self) -> &str {
        JobKind::Export.as_str()
    }

    async fn run(&self, chunk: &ClaimedChunk, context: &JobContext) -> Result<Completed, JobError> {
        let spec: ExportSpec = chunk.job.spec()?;
        Ok(self.export(&spec, context).await?)
    }

    async fn failed(
        &self,
        conn: &mut PgConnection,
        chunk: &ClaimedChunk,
        reason: &str,
    ) -> Result<(), JobError> {
        let spec: ExportSpec = chunk.job.spec()?;
        exports::fail(conn, spec.export_id, reason)
            .await
            .map_err(|error| PipelineError::from(error).into())
    }
}
