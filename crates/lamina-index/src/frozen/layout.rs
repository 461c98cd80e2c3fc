//! Laying rows and links side by side along the links of a graph.
//!
//! A search reads what is near its query, and what is near each other was added to a dataset in any order: each row that is read
//! would be a page of its own somewhere in the file. So rows are joined along their links, the shortest first: copies, groups
//! and crowds of groups lie without a gap.

use rayon::prelude::*;

use super::{FrozenGraph, Layer, NONE, STRIDE, links_of};
use crate::column::Column;
use crate::graph::Edge;
use crate::order::Order;
use crate::{IndexError, StopFlag, VectorBlock};

/// Points between two looks at the stop flag.
const POINTS_AT_ONCE: usize = 8_192;

/// The order in which rows of a block lie best for searches by this graph. Each row lies at its ordinal before. Takes 12 bytes for each link
/// while it runs.
pub(super) fn layout(
    graph: &FrozenGraph,
    vectors: &VectorBlock,
    stop: &StopFlag,
) -> Result<Order, IndexError> {
    let rows = vectors.rows();
    let points: Vec<u32> = (0..graph.len() as u32).collect();
    let twins = graph.twins.pairs().iter();
    let mut edges: Vec<Edge> = twins
        .map(|(first, twin)| Edge {
            a: *first,
            b: *twin,
            distance: 0.0,
        })
        .collect();
    for part in points.chunks(POINTS_AT_ONCE) {
        stop.check()?;
        edges.par_extend(part.par_iter().flat_map_iter(|&point| {
            let links = links_of(&graph.ground, point as usize).iter();
            // A link that leads both ways is one edge.
            let once = links.filter(move |&&link| {
                point < link || !links_of(&graph.ground, link as usize).contains(&point)
            });
            once.map(move |&link| Edge {
                a: point.min(link),
                b: point.max(link),
                distance: rows.distance(point as usize, link as usize),
            })
        }));
    }
    stop.check()?;
    edges.par_sort_unstable_by(Edge::order);
    stop.check()?;
    Ok(Order::along(&edges, graph.len()))
}

impl FrozenGraph {
    /// The same graph of rows that lie in this order, where each lies at its ordinal now.
    pub(super) fn placed(&self, order: &Order) -> Self {
        let place = |ordinal: u32| order.places()[ordinal as usize];
        let mut ground = vec![NONE; self.ground.len()];
        ground
            .par_chunks_exact_mut(STRIDE)
            .zip(&order.ordinals()[..])
            .for_each(|(row, ordinal)| {
                let links = links_of(&self.ground, *ordinal as usize);
                for (to, link) in row.iter_mut().zip(links) {
                    *to = place(*link);
                }
            });
        let mut stragglers: Vec<u32> = self.stragglers.iter().map(|row| place(*row)).collect();
        stragglers.sort_unstable();
        Self {
            ground: ground.into(),
            layers: self.layers.iter().map(|one| layer(one, order)).collect(),
            entry: if self.entry == NONE {
                NONE
            } else {
                place(self.entry)
            },
            stragglers,
            twins: self.twins.clone(),
        }
    }
}

fn layer(layer: &Layer, order: &Order) -> Layer {
    let nodes = layer.nodes.iter().enumerate();
    let mut sorted: Vec<(u32, usize)> = nodes
        .map(|(before, ordinal)| (order.places()[*ordinal as usize], before))
        .collect();
    sorted.sort_unstable();
    let mut now = vec![0; sorted.len()];
    for (number, (_, before)) in (0..).zip(&sorted) {
        now[*before] = number;
    }
    let mut links = vec![NONE; layer.links.len()];
    for (row, (_, before)) in links.chunks_exact_mut(STRIDE).zip(&sorted) {
        for (to, link) in row.iter_mut().zip(links_of(&layer.links, *before)) {
            *to = now[*link as usize];
        }
    }
    let nodes: Vec<u32> = sorted.iter().map(|(place, _)| *place).collect();
    Layer {
        nodes: Column::from(nodes),
        links: links.into(),
    }
}
