//! One loaded graph with its signature checked against its family and manifest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::session::{Session, SessionInputValue, SessionOutputs};
use ort::value::{Outlet, TensorElementType, ValueType};

use crate::manifest::{FileRole, PackageFile};
use crate::package::{GraphBytes, PackageError};
use crate::session::SessionError;
use crate::{ModelPackage, Runtime};

/// A loaded graph.
pub(crate) struct Graph {
    session: Session,
    /// Sizes that batches are filled up to; empty where any size is fine.
    buckets: Vec<usize>,
    /// Most items of a run.
    max_batch: usize,
}

/// What a tower needs to load its graph, once for each device, and again when a device was lost.
pub(crate) struct GraphSource {
    runtime: Arc<Runtime>,
    package: ModelPackage,
    file: PackageFile,
    threads: usize,
    pub(crate) max_batch: usize,
    /// While the sessions are started; one that is started again later reads them again, rather than that gigabytes wait for it.
    bytes: Mutex<Option<Arc<GraphBytes>>>,
}

impl GraphSource {
    pub(crate) fn read(
        runtime: &Arc<Runtime>,
        package: &ModelPackage,
        role: FileRole,
        threads: usize,
        max_batch: usize,
    ) -> Result<Option<Self>, PackageError> {
        let Some(file) = package.manifest().file(role) else {
            return Ok(None);
        };
        let bytes = Arc::new(package.graph(file)?);
        Ok(Some(Self {
            runtime: Arc::clone(runtime),
            package: package.clone(),
            file: file.clone(),
            threads,
            max_batch,
            bytes: Mutex::new(Some(bytes)),
        }))
    }

    /// Lets go of the bytes: all sessions are there.
    pub(crate) fn forget(&self) {
        *self.kept() = None;
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<GraphBytes>>> {
        // Whole values are put in and taken out, whatever panics.
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> Result<Arc<GraphBytes>, SessionError> {
        match self.kept().clone() {
            Some(bytes) => Ok(bytes),
            None => Ok(Arc::new(self.package.graph(&self.file)?)),
        }
    }

    /// Loads the graph for the `index`-th device.
    pub(crate) fn load(&self, index: usize) -> Result<Graph, SessionError> {
        let session = self.runtime.session(&*self.bytes()?, self.threads, index)?;
        // On a graphics card every new shape costs an algorithm search and room in the arena, so sizes are kept few. On the CPU neither
        // is so, and a filled-up row would cost as much time as a real one.
        let buckets = if self.runtime.device().is_gpu() {
            buckets(self.max_batch)
        } else {
            Vec::new()
        };
        Ok(Graph {
            session,
            buckets,
            max_batch: self.max_batch,
        })
    }
}

/// 1, 2, 4, ... and the largest batch itself.
fn buckets(max_batch: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1_usize), |size| size.checked_mul(2));
    powers
        .take_while(|size| *size < max_batch)
        .chain([max_batch])
        .collect()
}

impl Graph {
    /// Type and shape (-1 where it varies) of an input tensor.
    pub(crate) fn input(&self, name: &str) -> Option<(TensorElementType, Vec<i64>)> {
        tensor(
            self.session
                .inputs()
                .iter()
                .find(|input| input.name() == name)?,
        )
    }

    /// Type and shape (-1 where it varies) of an output tensor.
    pub(crate) fn output(&self, name: &str) -> Option<(TensorElementType, Vec<i64>)> {
        tensor(
            self.session
                .outputs()
                .iter()
                .find(|output| output.name() == name)?,
        )
    }

    /// Name of the output, if there is but one.
    pub(crate) fn only_output(&self) -> Option<&str> {
        match self.session.outputs() {
            [only] => Some(only.name()),
            _ => None,
        }
    }

    /// Names of all inputs.
    pub(crate) fn input_names(&self) -> Vec<String> {
        let inputs = self.session.inputs().iter();
        inputs.map(|input| input.name().to_owned()).collect()
    }

    /// Refuses graphs with inputs that nobody would fill.
    pub(crate) fn check_inputs(&self, known: &[&str]) -> Result<(), SessionError> {
        match self
            .session
            .inputs()
            .iter()
            .find(|input| !known.contains(&input.name()))
        {
            Some(input) => Err(SessionError::UnknownInput(input.name().to_owned())),
            None => Ok(()),
        }
    }

    /// Says that the graph takes batches of one size only.
    pub(crate) fn fix_batch(&mut self, only: usize) -> Result<(), SessionError> {
        if self.max_batch > only {
            return Err(SessionError::Disagreement {
                field: "batch.max_batch",
                manifest: self.max_batch as i64,
                graph: only as i64,
            });
        }
        self.buckets = vec![only];
        Ok(())
    }

    /// Number of rows to run for this many items: the rest are copies of the last one, whose results are dropped.
    pub(crate) fn rows(&self, items: usize) -> usize {
        self.buckets
            .iter()
            .copied()
            .find(|size| *size >= items)
            .unwrap_or(items)
    }

    /// Lengths that texts of at most `longest` tokens are filled up to; empty where any length is fine.
    pub(crate) fn length_buckets(&self, longest: usize) -> Vec<usize> {
        if self.buckets.is_empty() {
            return Vec::new();
        }
        // Below eight tokens nothing is saved by another shape.
        let powers = buckets(longest).into_iter();
        powers.filter(|length| *length >= longest.min(8)).collect()
    }

    /// Runs prepared inputs made of `items` items; filled-up rows come out as well.
    pub(crate) fn run(
        &mut self,
        inputs: Vec<(&str, SessionInputValue<'_>)>,
        items: usize,
    ) -> Result<SessionOutputs<'_>, SessionError> {
        self.session
            .run(inputs)
            .map_err(|error| SessionError::of_run(error, items))
    }
}

fn tensor(outlet: &Outlet) -> Option<(TensorElementType, Vec<i64>)> {
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => Some((*ty, shape.to_vec())),
        ValueType::Sequence(_) | ValueType::Map { .. } | ValueType::Optional(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_double_up_to_the_budget() {
        assert_eq!(buckets(1), [1]);
        assert_eq!(buckets(8), [1, 2, 4, 8]);
        assert_eq!(buckets(12), [1, 2, 4, 8, 12]);
    }
}
