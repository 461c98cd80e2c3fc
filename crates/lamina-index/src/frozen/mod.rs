//! The frozen graph: links between rows, immutable, in memory or, those of the upper layers, in a mapped file.
//!
//! [`FrozenGraph::build`] lets `hnsw_rs` grow a graph, exports its links ([`export`]), chooses each row anew with the
//! diversity rule ([`rows`]), makes every point reachable ([`repair`]) and searches every point for itself. [`walk`] is the
//! search, [`ball`] that of all points within a distance, both by a [`sight`] of points; [`index`] is the plan around them,
//! [`trial`] tells whether walks find what is there, [`layout`] lays side by side what is near each other.
//!
//! A point is a row by the place where it lies, and so is the number in a [`crate::Hit`] of a walk; the index names rows by their
//! ordinals. Twins are told by ordinals everywhere.

mod ball;
mod export;
mod index;
mod layout;
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

/// A layer above the ground: fewer points, the longer way. Links are numbers of `nodes`.
#[derive(Clone, PartialEq)]
pub(crate) struct Layer {
    /// Its points, ascending.
    pub(crate) nodes: Column<u32>,
    /// [`STRIDE`] numbers for each of them.
    pub(crate) links: Column<u32>,
}

/// Links between the rows of one vector block. Of identical rows only the lowest is linked.
#[derive(Clone, PartialEq)]
pub struct FrozenGraph {
    /// [`STRIDE`] points for each point.
    pub(crate) ground: Column<u32>,
    /// From the layer above the ground to the top.
    pub(crate) layers: Vec<Layer>,
    /// Where searches begin, a point of the top layer. [`NONE`] in a graph without points.
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
        let plain = vectors.at_ordinals();
        let graph = Self::build_over(&plain, &Twins::find(&plain), stop)?;
        Ok(match vectors.order() {
            None => graph,
            Some(order) => graph.placed(order),
        })
    }

    /// Of rows that lie at their ordinals.
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

    /// This graph and the vectors it links, each lying at its ordinal before, laid side by side where they are near each other.
    pub(crate) fn laid_out(
        &self,
        vectors: &VectorBlock,
        stop: &StopFlag,
    ) -> Result<(Self, VectorBlock), IndexError> {
        let order = layout::layout(self, vectors, stop)?;
        Ok((self.placed(&order), vectors.placed(order)))
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
