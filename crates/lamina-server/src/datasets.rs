//! Datasets made from the command line.

use std::path::Path;

use anyhow::Context as _;
use lamina_jobs::{NewJob, Phase};
use lamina_store::datasets::{self, Dataset, NewDataset};
use lamina_store::users::User;
use lamina_types::{
    DatasetId, DatasetStatus, IngestSource, IngestSpec, JobKind, ServeMode, SourceType,
};

use crate::home::Home;

/// What to make a dataset from.
pub struct NewImport<'a> {
    /// Folder, archive or list; absolute.
    pub path: &'a Path,
    /// Name of the dataset.
    pub name: &'a str,
    /// Whether originals are copied.
    pub serve_mode: ServeMode,
    /// How the API calls the source.
    pub source_type: SourceType,
}

/// Inserts a dataset and the job that fills it, in one transaction. The operator names the path, so it is its own root.
///
/// # Errors
/// A path that is neither a folder nor an archive nor a list; the database.
pub async fn create(home: &Home, owner: &User, import: &NewImport<'_>) -> anyhow::Result<Dataset> {
    let text = import
        .path
        .to_str()
        .context("the path is not valid UTF-8")?
        .to_owned();
    let (source, root) = source_of(import.path, text)?;
    let new = NewDataset {
        id: DatasetId::new(),
        owner_id: owner.id,
        display_name: import.name.to_owned(),
        description: String::new(),
        source_type: import.source_type,
        source_uri: import.path.display().to_string(),
        filename: None,
        serve_mode: import.serve_mode,
        status: DatasetStatus::Indexing,
        source_dataset_id: None,
    };
    let mut tx = home.pool.begin().await?;
    let dataset = datasets::insert(&mut *tx, &new).await?;
    let spec = IngestSpec {
        dataset_id: dataset.id,
        source,
        roots: vec![root],
        serve_mode: dataset.serve_mode,
    };
    let job = NewJob::new(
        JobKind::Ingest.as_str(),
        Some(owner.id.as_uuid()),
        Some(dataset.id.as_uuid()),
        &spec,
        Phase::single(JobKind::Ingest.first_phase()),
    )?;
    lamina_jobs::enqueue(&mut tx, job).await?;
    tx.commit().await?;
    Ok(dataset)
}

/// The kind of source at a path, and the folder that its files must lie below.
fn source_of(path: &Path, text: String) -> anyhow::Result<(IngestSource, String)> {
    if path.is_dir() {
        return Ok((IngestSource::Folder { path: text.clone() }, text));
    }
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("zip") => {
            let folder = path
                .parent()
                .and_then(Path::to_str)
                .unwrap_or("/")
                .to_owned();
            Ok((IngestSource::ArchiveFile { path: text }, folder))
        }
        // A list may name files anywhere: the operator vouches for it.
        Some("txt" | "csv" | "parquet") => {
            Ok((IngestSource::FileList { path: text }, "/".to_owned()))
        }
        _ => anyhow::bail!(
            "{} is neither a folder nor a .zip archive nor a .txt, .csv or .parquet list of files",
            path.display()
        ),
    }
}
