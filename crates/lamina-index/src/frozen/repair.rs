//! Every point can be reached, and is found by a search for itself.

use rayon::prelude::*;

use super::index::FIND_BREADTH;
use super::walk::{Reach, ScratchPool};
use super::{FrozenGraph, NONE, STRIDE, Walk, Walker, links_of};
use crate::column::Column;
use crate::twins::Twins;
use crate::{Hit, IndexError, StopFlag, VectorBlock};

/// Points between two looks at the stop flag.
const POINTS_AT_ONCE: usize = 8_192;

/// Links in what searches would miss; what is still not found becomes a straggler.
pub(super) fn repair(
    graph: &mut FrozenGraph,
    vectors: &VectorBlock,
    twins: &Twins,
    stop: &StopFlag,
) -> Result<(), IndexError> {
    let points = twins.firsts();
    let pool = ScratchPool::default();
    connect(graph, vectors, &points, &pool, stop)?;
    let lost = not_found(graph, vectors, &points, &pool, stop)?;
    for point in &lost {
        let near = nearest(graph, vectors, *point, &pool, stop)?;
        link_beside(&mut graph.ground, &near, *point);
    }
    graph.stragglers = not_found(graph, vectors, &lost, &pool, stop)?;
    Ok(())
}

/// Makes every point reachable on the ground from the entry. Each round reaches at least one point more and loses none: the
/// link that gives way to the new point becomes a link of the new point, which nothing depended on.
fn connect(
    graph: &mut FrozenGraph,
    vectors: &VectorBlock,
    points: &[u32],
    pool: &ScratchPool,
    stop: &StopFlag,
) -> Result<(), IndexError> {
    let mut reached = vec![false; vectors.len()];
    if graph.entry == NONE {
        return Ok(());
    }
    spread(&graph.ground, graph.entry, &mut reached);
    for point in points {
        if reached[*point as usize] {
            continue;
        }
        stop.check()?;
        // A walk from the entry finds only what can be reached.
        let near = nearest(graph, vectors, *point, pool, stop)?;
        if let Some(from) = near.first() {
            take_place(graph.ground.make_owned(), from.ordinal, *point);
        }
        spread(&graph.ground, *point, &mut reached);
    }
    Ok(())
}

/// Marks everything that can be reached from a point.
fn spread(ground: &[u32], from: u32, reached: &mut [bool]) {
    reached[from as usize] = true;
    let mut waiting = vec![from];
    while let Some(point) = waiting.pop() {
        for link in links_of(ground, point as usize) {
            if !std::mem::replace(&mut reached[*link as usize], true) {
                waiting.push(*link);
            }
        }
    }
}

/// The points nearest to a point that a search for it finds, itself excluded.
fn nearest(
    graph: &FrozenGraph,
    vectors: &VectorBlock,
    point: u32,
    pool: &ScratchPool,
    stop: &StopFlag,
) -> Result<Vec<Hit>, IndexError> {
    let query = vectors.unit_row(point as usize);
    let mut found = find(
        &Walker::new(graph, vectors),
        &query,
        FIND_BREADTH,
        pool,
        stop,
    )?;
    found.retain(|hit| hit.ordinal != point);
    Ok(found)
}

fn find(
    walker: &Walker<'_>,
    query: &[f32],
    breadth: usize,
    pool: &ScratchPool,
    stop: &StopFlag,
) -> Result<Vec<Hit>, IndexError> {
    let Some(start) = walker.descend(query, pool) else {
        return Ok(Vec::new());
    };
    let reach = Reach {
        breadth,
        most: usize::MAX,
    };
    match walker.walk(query, start, reach, |_| true, pool, stop)? {
        Walk::Found(hits) => Ok(hits),
        Walk::TooLong => Ok(Vec::new()),
    }
}

/// Puts a link to `point` at the end of a row; the link that was there goes to the end of the point's own row.
fn take_place(ground: &mut [u32], row: u32, point: u32) {
    let end = |row: u32, ground: &[u32]| {
        let used = links_of(ground, row as usize).len();
        row as usize * STRIDE + used.min(STRIDE - 1)
    };
    let place = end(row, ground);
    let gave_way = std::mem::replace(&mut ground[place], point);
    if gave_way != NONE && !links_of(ground, point as usize).contains(&gave_way) {
        let place = end(point, ground);
        ground[place] = gave_way;
    }
}

/// Links a point from the nearest rows that have room, at most four; no link of theirs is lost.
fn link_beside(ground: &mut Column<u32>, near: &[Hit], point: u32) {
    let ground = ground.make_owned();
    let mut linked = 0;
    for hit in near {
        let links = links_of(ground, hit.ordinal as usize);
        let used = links.len();
        if used < STRIDE && !links.contains(&point) {
            ground[hit.ordinal as usize * STRIDE + used] = point;
            linked += 1;
        }
        if linked == 4 {
            return;
        }
    }
}

/// Those of the points that a search for them does not find.
fn not_found(
    graph: &FrozenGraph,
    vectors: &VectorBlock,
    points: &[u32],
    pool: &ScratchPool,
    stop: &StopFlag,
) -> Result<Vec<u32>, IndexError> {
    let walker = Walker::new(graph, vectors);
    let finds_itself = |point: u32| -> Result<bool, IndexError> {
        let query = vectors.unit_row(point as usize);
        // A crowd of vectors that differ by rounding alone can hide a point from a narrow search although it is reachable.
        for breadth in [FIND_BREADTH, 4 * FIND_BREADTH] {
            let found = find(&walker, &query, breadth, pool, stop)?;
            if found.iter().any(|hit| hit.ordinal == point) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut missing = Vec::new();
    for part in points.chunks(POINTS_AT_ONCE) {
        stop.check()?;
        let answers: Result<Vec<bool>, IndexError> =
            part.par_iter().map(|point| finds_itself(*point)).collect();
        let lost = part.iter().zip(answers?).filter(|(_, is_found)| !is_found);
        missing.extend(lost.map(|(point, _)| *point));
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use lamina_types::Embedding;

    use super::super::TwinTable;
    use super::*;

    /// Points on a half circle in two crowds, linked within each crowd only.
    fn torn(count: usize) -> (FrozenGraph, VectorBlock) {
        let rows: Vec<Embedding> = (0..count)
            .map(|row| {
                let angle = row as f32 / count as f32 * 3.0;
                Embedding::new(vec![angle.cos(), angle.sin()]).unwrap()
            })
            .collect();
        let vectors = VectorBlock::from_embeddings(&rows).unwrap();
        let half = count / 2;
        let mut ground = vec![NONE; count * STRIDE];
        for row in 0..count {
            let crowd = if row < half { 0..half } else { half..count };
            let links = crowd.filter(|other| *other != row && row.abs_diff(*other) <= STRIDE / 2);
            for (place, link) in ground[row * STRIDE..(row + 1) * STRIDE]
                .iter_mut()
                .zip(links)
            {
                *place = link as u32;
            }
        }
        let graph = FrozenGraph {
            ground: ground.into(),
            layers: Vec::new(),
            entry: 0,
            stragglers: Vec::new(),
            twins: TwinTable::default(),
        };
        (graph, vectors)
    }

    fn reached(graph: &FrozenGraph) -> usize {
        let mut reached = vec![false; graph.len()];
        spread(&graph.ground, graph.entry, &mut reached);
        reached.iter().filter(|is_reached| **is_reached).count()
    }

    #[test]
    fn what_is_torn_apart_is_joined_and_every_point_finds_itself() {
        let (mut graph, vectors) = torn(400);
        assert_eq!(reached(&graph), 200);
        let stop = StopFlag::new();
        repair(&mut graph, &vectors, &Twins::find(&vectors), &stop).unwrap();
        assert_eq!(reached(&graph), 400);
        let all: Vec<u32> = (0..400).collect();
        let lost = not_found(&graph, &vectors, &all, &ScratchPool::default(), &stop).unwrap();
        assert_eq!(lost, graph.stragglers);
        assert!(lost.len() < 40, "{lost:?}");
    }

    #[test]
    fn a_point_that_takes_a_place_passes_the_link_on() {
        let mut ground = vec![NONE; 40 * STRIDE];
        for (place, link) in ground.iter_mut().take(STRIDE).enumerate() {
            *link = place as u32 + 1;
        }
        take_place(&mut ground, 0, 39);
        assert_eq!(links_of(&ground, 0).last(), Some(&39));
        assert_eq!(links_of(&ground, 39), [32]);
    }
}
