//! A generation as the server has it: written, verified, mapped.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lamina_index::{ExpectedGeneration, FileBytes, FrozenIndex, Generation};

/// A generation that went through its file.
pub struct Loaded {
    pub generation: Generation,
    pub file_bytes: usize,
    /// Of vectors and graph in memory.
    pub bytes_per_vector: f64,
    /// Of opening, verifying and mapping the file.
    pub wall: Duration,
    pub is_mapped: bool,
}

impl Loaded {
    /// Writes and opens it.
    ///
    /// # Errors
    /// No room in `folder`.
    pub fn through_file(built: &Generation, folder: &Path) -> anyhow::Result<Self> {
        let count = built.vectors.len();
        let graph = built.graph.as_ref();
        let bytes =
            built.vectors.bytes_in_memory() + graph.map_or(0, |graph| graph.bytes_in_memory());
        let path = folder.join("generation");
        let file = built.encode();
        let expected = ExpectedGeneration {
            header: built.header.clone(),
            count: u32::try_from(count)?,
            checksum: Generation::checksum_of(&file),
        };
        fs_err::write(&path, &file)?;
        let begun = Instant::now();
        let opened = Arc::new(FileBytes::open(&path)?);
        let generation = Generation::load(&opened, &expected)?;
        Ok(Self {
            generation,
            file_bytes: file.len(),
            bytes_per_vector: bytes as f64 / count as f64,
            wall: begun.elapsed(),
            is_mapped: opened.is_mapped(),
        })
    }

    /// Its graph, to be searched with any breadth; `None` where none led.
    ///
    /// # Errors
    /// None: the graph has a row for every vector.
    pub fn frozen(&self) -> anyhow::Result<Option<FrozenIndex>> {
        let graph = self.generation.graph.as_ref();
        let frozen = graph.map(|graph| {
            let vectors = Arc::clone(&self.generation.vectors);
            FrozenIndex::new(vectors, Arc::clone(graph), &self.generation.settings)
        });
        Ok(frozen.transpose()?)
    }
}
