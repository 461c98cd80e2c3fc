//! Reading what pages show, piece by piece, into files.

use std::ops::Range;
use std::sync::Arc;

use lamina_store::datasets::DatasetAccess;
use lamina_store::shown;
use lamina_types::{DatasetId, EntityType};

use super::files::Files;
use super::records::{Records, RecordsWriter};
use crate::opening::Library;
use crate::{DatasetSnapshot, ExploreError, Explorer};

/// Pictures read at once: few enough for Postgres to look each up.
const PICTURES_AT_ONCE: u32 = 16_384;

impl Explorer {
    /// Has what pages show read in the background, for the pages to come.
    pub(crate) fn read_behind(&self, dataset: DatasetId, snapshot: &Arc<DatasetSnapshot>) {
        if snapshot.entity_type() != EntityType::Images || !snapshot.shown.is_first_asked() {
            return;
        }
        let (explorer, snapshot) = (self.clone(), Arc::clone(snapshot));
        self.library().reading.spawn(async move {
            let library = explorer.library();
            let read = library.read_shown(dataset, &snapshot).await;
            if let Err(error) = read
                && !library.stop.is_stopped()
            {
                tracing::warn!(
                    dataset.id = %dataset, error = %error,
                    "pages come from Postgres: what they show could not be kept at hand"
                );
            }
        });
    }

    /// Has what pages of pictures show read now, and not behind the first page: for measuring what comes after.
    ///
    /// # Errors
    /// The database, the index; no room on the disk.
    pub async fn read_ahead(&self, access: &DatasetAccess) -> Result<(), ExploreError> {
        match self.snapshot(access, EntityType::Images).await? {
            Some(snapshot) => self.library().read_shown(access.id(), &snapshot).await,
            None => Ok(()),
        }
    }
}

impl Library {
    /// Has what pages show of a snapshot's pictures read, if it is not.
    ///
    /// # Errors
    /// The database; no room for it.
    pub(crate) async fn read_shown(
        &self,
        dataset: DatasetId,
        snapshot: &DatasetSnapshot,
    ) -> Result<(), ExploreError> {
        let (pool, place) = (&self.pool, &snapshot.shown);
        let count = u32::try_from(snapshot.len()).unwrap_or(u32::MAX);
        let files = || async {
            let read = |ordinals| shown::files(pool, dataset, ordinals);
            let written = self.written(count, read, |writer, file| Files::put(writer, &file));
            Ok::<_, ExploreError>(Files(written.await?))
        };
        place.files.get_or_try_init(files).await?;
        let captions = || async {
            let read = |ordinals| shown::captions(pool, dataset, ordinals);
            let put = |writer: &mut RecordsWriter, (ordinal, caption): (u32, String)| {
                writer.put(ordinal, &[caption.as_bytes()])
            };
            self.written(count, read, put).await
        };
        place.captions.get_or_try_init(captions).await?;
        Ok(())
    }

    /// Writes what `read` finds in all ranges of ordinals.
    async fn written<T, Rows, Read>(
        &self,
        count: u32,
        read: impl Fn(Range<u32>) -> Read,
        put: impl Fn(&mut RecordsWriter, T) -> std::io::Result<()> + Copy + Send + 'static,
    ) -> Result<Records, ExploreError>
    where
        Rows: IntoIterator<Item = T> + Send + 'static,
        Read: Future<Output = Result<Rows, lamina_store::StoreError>>,
    {
        self.blobs.check_free_space()?;
        let folder = self.blobs.staging_dir();
        let mut writer =
            tokio::task::spawn_blocking(move || RecordsWriter::new(&folder, count)).await??;
        for first in (0..count).step_by(PICTURES_AT_ONCE as usize) {
            if self.stop.is_stopped() {
                return Err(ExploreError::Unavailable("it is being closed".to_owned()));
            }
            let rows = read(first..first.saturating_add(PICTURES_AT_ONCE).min(count)).await?;
            writer = tokio::task::spawn_blocking(move || {
                for row in rows {
                    put(&mut writer, row)?;
                }
                Ok::<_, std::io::Error>(writer)
            })
            .await??;
        }
        Ok(tokio::task::spawn_blocking(move || writer.finish()).await??)
    }
}
