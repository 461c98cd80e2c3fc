//! The frozen graph: links between ordinals in fixed rows, immutable, in memory or, those of the upper layers, in a mapped file.
//!
//! [`FrozenGraph::build`] lets `hnsw_rs` grow a graph, exports its links ([`export`]), chooses each row anew with the
//! diversity rule ([`rows`]), makes every point reachable ([`repair`]) and searches every point for itself. [`walk`] is the
//! search, [`ball`] that of all points within a distance, both by a [`sight`] of points; [`index`] is the plan around them,
//! [`trial`] tells whether walks find what is there.

mod ball;
mod export;
mod index;
mod repair;
mod rows;
mod sight;
mod trial;
mod twin_table;
mod walk;

pub(crate) use index::FIND_BREADTH;
pub use index::FrozenIndex;
pub(crate) use twin_table::TwinTable;
pub(crate) use walk::{Walk, Walker};

use crate::column::Column;
use crate::hnsw::HnswGraph;
use crate::twins::Twins;
use crate::{IndexError, StopFlag, VectorBlock};

/// Links of a row, on all layers. 32 numbers of four bytes are two cache lines.
pub(crate) const STRIDE: usize = 32;

/// Fills rows that have fewer links.
pub(crate) const NONE: u32 = u32::MAX;

/// A layer above the ground: fewer points, the longer way. Links are places in `nodes`.
#[derive(Clone, PartialEq)]
pub(crate) struct Layer {
    /// Ordinals of its points, ascending.
    pub(crate) nodes: Column<u32>,
    /// [`STRIDE`] places for each of them.
    pub(crate) links: Column<u32>,
}

/// Links between the rows of one vector block. Of identical rows only the lowest is linked.
#[derive(Clone, PartialEq)]
pub struct FrozenGraph {
    /// [`STRIDE`] ordinals for each ordinal.
    pub(crate) ground: Column<u32>,
    /// From the layer above the ground to the top.
    pub(crate) layers: Vec<Layer>,
    /// The ordinal where searches begin, a point of the top layer. [`NONE`] in a graph without points.
    pub(crate) entry: u32,
    /// Points that searches do not find by themselves: looked at in every search.
    pub(crate) stragglers: Vec<u32>,
    /// The rows that are identical to a lower one.
    pub(crate) twins: TwinTable,
}

impl std::fmt::Debug for FrozenGraph {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrozenGraph")
            .field("rows", &self.len())
            .field("layers", &(self.layers.len() + 1))
            .field("stragglers", &self.stragglers.len())
            .finish_non_exhaustive()
    }
}

impl FrozenGraph {
    /// Builds the graph, in parallel on the current rayon pool; it differs a little from run to run.
    ///
    /// # Errors
    /// The stop flag.
    pub fn build(vectors: &VectorBlock, stop: &StopFlag) -> Result<Self, IndexError> {
        Self::build_over(vectors, &Twins::find(vectors), stop)
    }

    pub(crate) fn build_over(
        vectors: &VectorBlock,
        twins: &Twins,
        stop: &StopFlag,
    ) -> Result<Self, IndexError> {
        let grown = HnswGraph::grow(vectors, twins.firsts(), stop)?;
        let points = grown.points();
        drop(grown);
        let mut graph = export::freeze(vectors, &points, stop)?;
        drop(points);
        graph.twins = TwinTable::of(twins);
        repair::repair(&mut graph, vectors, twins, stop)?;
        tracing::debug!(
            index.vectors = vectors.len(),
            index.stragglers = graph.stragglers.len(),
            "graph built and frozen"
        );
        Ok(graph)
    }

    /// Number of rows, identical ones included.
    pub fn len(&self) -> usize {
        self.ground.len() / STRIDE
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ground.is_empty()
    }

    /// Points that are looked at in every search because the graph does not lead to them.
    pub fn stragglers(&self) -> usize {
        self.stragglers.len()
    }

    /// Bytes held; the few links of a mapped file that stay there are in the system's cache and not counted.
    pub fn bytes_in_memory(&self) -> usize {
        let layers: usize = self
            .layers
            .iter()
            .map(|layer| layer.nodes.bytes_owned() + layer.links.bytes_owned())
            .sum();
        self.ground.bytes_owned()
            + layers
            + self.stragglers.capacity() * size_of::<u32>()
            + self.twins.bytes_in_memory()
    }
}

/// The links of a row: those before the first [`NONE`].
#[inline]
pub(crate) fn links_of(rows: &[u32], row: usize) -> &[u32] {
    let row = &rows[row * STRIDE..(row + 1) * STRIDE];
    let end = row.iter().position(|link| *link == NONE);
    &row[..end.unwrap_or(STRIDE)]
}
