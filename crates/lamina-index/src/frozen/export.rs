//! From the links of `hnsw_rs` to fixed rows of ordinals.
//!
//! Where a row of `hnsw_rs` overflows with links back, it drops the farthest and thereby the only link out of a crowd. So
//! every row is chosen anew from its links in both directions.

use rayon::prelude::*;

use super::rows::choose;
use super::{FrozenGraph, Layer, NONE, STRIDE, TwinTable};
use crate::hnsw::GrownPoint;
use crate::{IndexError, StopFlag, VectorBlock};

/// Links back that are weighed for one row; a point that thousands link to needs no more to choose from.
const LINKS_BACK: usize = 4 * STRIDE;
/// Rows between two looks at the stop flag.
const ROWS_AT_ONCE: usize = 8_192;

/// The rows of all layers, without twins and not yet repaired.
pub(super) fn freeze(
    vectors: &VectorBlock,
    points: &[GrownPoint],
    stop: &StopFlag,
) -> Result<FrozenGraph, IndexError> {
    let top = points.first().map_or(0, |point| point.links.len());
    let mut layers = Vec::new();
    let mut ground = vec![NONE; vectors.len() * STRIDE];
    for level in 0..top {
        let mut members: Vec<(u32, &[u32])> = points
            .iter()
            .filter_map(|point| Some((point.ordinal, point.links.get(level)?.as_slice())))
            .collect();
        members.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        let rows = layer_rows(vectors, &members, stop)?;
        if level == 0 {
            for ((ordinal, _), row) in members.iter().zip(&rows) {
                ground[*ordinal as usize * STRIDE..][..row.len()].copy_from_slice(row);
            }
        } else {
            layers.push(layer(&members, &rows));
        }
    }
    Ok(FrozenGraph {
        ground: ground.into(),
        layers,
        entry: points.first().map_or(NONE, |point| point.ordinal),
        stragglers: Vec::new(),
        twins: TwinTable::default(),
    })
}

/// The chosen links of every member, as ordinals.
fn layer_rows(
    vectors: &VectorBlock,
    members: &[(u32, &[u32])],
    stop: &StopFlag,
) -> Result<Vec<Vec<u32>>, IndexError> {
    let place = |ordinal: u32| members.binary_search_by_key(&ordinal, |(member, _)| *member);
    let mut back: Vec<Vec<u32>> = vec![Vec::new(); members.len()];
    for (ordinal, links) in members {
        for target in links.iter().filter_map(|link| place(*link).ok()) {
            if back[target].len() < LINKS_BACK {
                back[target].push(*ordinal);
            }
        }
    }
    let mut rows = Vec::with_capacity(members.len());
    let with_back: Vec<_> = members.iter().zip(back).collect();
    for part in with_back.chunks(ROWS_AT_ONCE) {
        stop.check()?;
        rows.par_extend(part.par_iter().map(|((ordinal, links), back)| {
            let mut candidates: Vec<u32> = links.iter().chain(back).copied().collect();
            candidates.retain(|candidate| place(*candidate).is_ok());
            choose(vectors, *ordinal, &mut candidates)
        }));
    }
    Ok(rows)
}

fn layer(members: &[(u32, &[u32])], rows: &[Vec<u32>]) -> Layer {
    let nodes: Vec<u32> = members.iter().map(|(ordinal, _)| *ordinal).collect();
    let mut links = vec![NONE; nodes.len() * STRIDE];
    for (row, places) in rows.iter().zip(links.chunks_exact_mut(STRIDE)) {
        let found = row.iter().filter_map(|link| nodes.binary_search(link).ok());
        for (place, target) in places.iter_mut().zip(found) {
            *place = target as u32;
        }
    }
    Layer {
        nodes: nodes.into(),
        links: links.into(),
    }
}
