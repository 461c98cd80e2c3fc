//! The section of the graph.
//!
//! Empty in a generation without a graph, else numbers of four bytes: entry, number of upper layers, stragglers, pairs of
//! twins, points of each upper layer; zeros up to a multiple of 16 numbers; the ground rows; for each layer its points and
//! their rows; stragglers; pairs of twins.

use std::sync::Arc;

use rayon::prelude::*;

use super::column::Origin;
use super::put_u32;
use super::reader::Reader;
use crate::DamagedGeneration;
use crate::column::Column;
use crate::frozen::{FrozenGraph, Layer, NONE, STRIDE, TwinTable};

/// Numbers in one cache line, at which the rows begin.
const LINE: usize = 16;
/// A graph of four thousand million points has fewer layers.
const MOST_LAYERS: u32 = 32;

pub(super) fn encode(graph: Option<&FrozenGraph>, bytes: &mut Vec<u8>) {
    let Some(graph) = graph else { return };
    let start = bytes.len();
    put_u32(bytes, graph.entry);
    put_u32(bytes, graph.layers.len() as u32);
    put_u32(bytes, graph.stragglers.len() as u32);
    put_u32(bytes, graph.twins.len() as u32);
    for layer in &graph.layers {
        put_u32(bytes, layer.nodes.len() as u32);
    }
    let head = (bytes.len() - start).next_multiple_of(LINE * size_of::<u32>());
    bytes.resize(start + head, 0);
    bytes.extend_from_slice(graph.ground.as_bytes());
    for layer in &graph.layers {
        bytes.extend_from_slice(layer.nodes.as_bytes());
        bytes.extend_from_slice(layer.links.as_bytes());
    }
    graph
        .stragglers
        .iter()
        .for_each(|point| put_u32(bytes, *point));
    for (first, twin) in graph.twins.pairs() {
        put_u32(bytes, *first);
        put_u32(bytes, *twin);
    }
}

/// Sizes that the section begins with.
struct Sizes {
    entry: u32,
    layers: Vec<usize>,
    stragglers: usize,
    twins: usize,
}

impl Sizes {
    fn read(section: &mut Reader<'_>, count: usize) -> Result<Self, DamagedGeneration> {
        let entry = section.u32()?;
        let layers = section.u32()?;
        let (stragglers, twins) = (section.u32()? as usize, section.u32()? as usize);
        if layers > MOST_LAYERS || stragglers > count || twins > count {
            return Err(section.problem("impossible sizes"));
        }
        let layers: Vec<usize> = (0..layers)
            .map(|_| Ok(section.u32()? as usize))
            .collect::<Result<_, DamagedGeneration>>()?;
        if layers.iter().any(|points| *points == 0 || *points > count) {
            return Err(section.problem("impossible sizes"));
        }
        let words = 4 + layers.len();
        section.take((words.next_multiple_of(LINE) - words) * size_of::<u32>())?;
        Ok(Self {
            entry,
            layers,
            stragglers,
            twins,
        })
    }

    /// Numbers that follow; no size can be so large that the sum does not fit.
    fn words(&self, count: usize) -> usize {
        let layers: usize = self.layers.iter().sum();
        count * STRIDE + layers * (STRIDE + 1) + self.stragglers + 2 * self.twins
    }
}

/// The graph of `count` rows, if the generation has one.
pub(super) fn decode(
    mut section: Reader<'_>,
    count: usize,
    origin: &Origin<'_>,
) -> Result<Option<Arc<FrozenGraph>>, DamagedGeneration> {
    if section.rest.is_empty() {
        return Ok(None);
    }
    let sizes = Sizes::read(&mut section, count)?;
    section.expect_length(sizes.words(count), size_of::<u32>())?;
    let mut column = |words: usize| -> Result<Column<u32>, DamagedGeneration> {
        let bytes = section.take(words * size_of::<u32>())?;
        origin
            .column(bytes)
            .ok_or_else(|| section.problem("wrong length"))
    };
    let ground = column(count * STRIDE)?.on_wide_pages();
    let mut layers = Vec::with_capacity(sizes.layers.len());
    for points in &sizes.layers {
        layers.push(Layer {
            nodes: column(*points)?,
            links: column(points * STRIDE)?,
        });
    }
    let stragglers = (0..sizes.stragglers)
        .map(|_| section.ordinal(count))
        .collect::<Result<Vec<u32>, DamagedGeneration>>()?;
    let pairs = (0..sizes.twins)
        .map(|_| Ok((section.ordinal(count)?, section.ordinal(count)?)))
        .collect::<Result<_, DamagedGeneration>>()?;
    let twins = TwinTable::from_pairs(pairs)
        .ok_or_else(|| section.problem("rows are twins of one another"))?;
    let graph = FrozenGraph {
        ground,
        layers,
        entry: sizes.entry,
        stragglers,
        twins,
    };
    check(&graph, count, &section)?;
    Ok(Some(Arc::new(graph)))
}

/// Nothing leads out of the graph.
fn check(graph: &FrozenGraph, count: usize, section: &Reader<'_>) -> Result<(), DamagedGeneration> {
    if !leads_to(&graph.ground, count) {
        return Err(section.problem("a link beyond the last row"));
    }
    for layer in &graph.layers {
        let nodes: &[u32] = &layer.nodes;
        let is_ordered = nodes.is_sorted_by(|a, b| a < b);
        if !is_ordered || nodes.last().is_some_and(|last| *last as usize >= count) {
            return Err(section.problem("points of a layer are out of order"));
        }
        if !leads_to(&layer.links, nodes.len()) {
            return Err(section.problem("a link beyond the last point of a layer"));
        }
    }
    if graph.entry != NONE && graph.entry as usize >= count {
        return Err(section.problem("an entry beyond the last row"));
    }
    Ok(())
}

/// Whether all links are below `points`, and rows have nothing after their end.
fn leads_to(links: &[u32], points: usize) -> bool {
    links.par_chunks(STRIDE).all(|row| {
        let end = row.iter().position(|link| *link == NONE);
        let (used, rest) = row.split_at(end.unwrap_or(row.len()));
        used.iter().all(|link| (*link as usize) < points) && rest.iter().all(|link| *link == NONE)
    })
}
