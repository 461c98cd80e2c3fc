//! The job handlers: ingest, enrichment, annotation, rebuild, removal, export; and the sources that files come from.
//!
//! Owns what happens between "a job was claimed" and "its effects are committed". Must not know HTTP; how chunks are
//! claimed and fenced is `lamina-jobs`' business, what SQL says is `lamina-store`'s.
//!
//! One chunk: the runner calls the handler of the job's kind; the handler reads what is left to do, works outside any
//! transaction, and writes all effects together with the chunk's completion in one fenced transaction. Running a chunk
//! again after any interruption changes nothing that is there already.

pub mod annotate;
pub mod enrich;
mod error;
mod export;
pub mod ingest;
mod publication;
mod rebuild;
mod reindex;
mod remove;
mod snapshots;
pub mod sources;
pub mod stages;
pub mod views;
mod workshop;

use std::sync::Arc;

use lamina_explore::Explorer;
use lamina_jobs::JobHandler;

pub use error::PipelineError;
pub use remove::CONTENT_GRACE;
pub use workshop::{Workshop, WorkshopOptions};

/// A handler for every kind of job. Exports read through `explorer`, which a process has one of.
pub fn handlers(workshop: &Workshop, explorer: &Explorer) -> Vec<Arc<dyn JobHandler>> {
    vec![
        Arc::new(ingest::IngestHandler::new(workshop.clone())),
        Arc::new(enrich::EnrichHandler::new(workshop.clone())),
        Arc::new(ingest::AddHandler::new(workshop.clone())),
        Arc::new(snapshots::RestoreHandler::new(workshop.clone())),
        Arc::new(snapshots::CloneHandler::new(workshop.clone())),
        Arc::new(reindex::ReindexHandler::new(workshop.clone())),
        Arc::new(rebuild::RebuildHandler::new(workshop.clone())),
        Arc::new(remove::RemoveHandler::new(workshop.clone())),
        Arc::new(annotate::AnnotateHandler::new(workshop.clone())),
        Arc::new(export::ExportHandler::new(
            workshop.clone(),
            explorer.clone(),
        )),
    ]
}
