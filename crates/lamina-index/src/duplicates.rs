//! Groups of near-copies.
//!
//! What is kept is a minimum spanning forest: at most one edge per item, and yet the connected components at *every* bound
//! are those of all pairs. So one small structure answers each step of the ladder and every value between.

use crate::graph::{Edge, Sets};

/// Steps of the duplicate ladder.
pub const DUPLICATE_STEPS: usize = 8;

/// The similarity steps for which clients know duplicate groups.
pub const DUPLICATE_LADDER: [f32; DUPLICATE_STEPS] =
    [0.96, 0.97, 0.98, 0.985, 0.99, 0.995, 0.999, 1.0];

/// Lowest similarity for which groups are complete below the exact limit.
pub(crate) const FLOOR_SIMILARITY: f32 = 0.5;

/// Lowest similarity for which near-copies are looked up above the exact limit: the first step of the ladder.
pub(crate) const FORMABLE_SIMILARITY: f32 = DUPLICATE_LADDER[0];

/// The same as a distance, with room for rounding.
pub(crate) const FORMABLE_BOUND: f32 = 1.0 - FORMABLE_SIMILARITY + ROUNDING;

/// `1 - similarity` is rounded; a pair exactly on a step belongs to it.
const ROUNDING: f32 = 1e-6;

/// Confidence of a pair that is just inside the step.
const LEAST_CONFIDENCE: f32 = 0.5;

/// Confidence of identical items.
const MOST_CONFIDENCE: f32 = 0.98;

/// Which items are near-copies of each other, at any similarity from [`Duplicates::floor`] up.
#[derive(Clone, PartialEq)]
pub struct Duplicates {
    items: usize,
    floor: f32,
    /// Ascending.
    edges: Vec<Edge>,
}

impl std::fmt::Debug for Duplicates {
    /// Sizes only: millions of numbers in a log line help nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Duplicates")
            .field("floor", &self.floor)
            .field("edges", &self.edges.len())
            .finish()
    }
}

impl Duplicates {
    pub(crate) fn new(items: usize, floor: f32, mut edges: Vec<Edge>) -> Self {
        edges.sort_unstable_by(Edge::order);
        Self {
            items,
            floor,
            edges,
        }
    }

    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// The lowest similarity that groups can be asked for: 0.5 below the exact limit, 0.96 above it.
    pub const fn floor(&self) -> f32 {
        self.floor
    }

    /// For every item the lowest ordinal of its group at this similarity (1 - cosine distance); items alone are their own.
    ///
    /// A group is a connected component of all pairs that are at least this similar. Exact for every value from
    /// [`Duplicates::floor`] up; a lower value (or NaN) gives the groups of the floor.
    pub fn groups(&self, similarity: f32) -> Vec<u32> {
        let farthest = bound_of(similarity.max(self.floor));
        let mut sets = Sets::new(self.items);
        for edge in self
            .edges
            .iter()
            .take_while(|edge| edge.distance <= farthest)
        {
            sets.join(edge.a, edge.b);
        }
        sets.labels()
    }

    /// The items that have a near-copy at this similarity, ascending, each with the lowest item of its group; see
    /// [`Duplicates::groups`]. Takes time by how many they are, not by how many items there are.
    pub fn copies(&self, similarity: f32) -> Vec<(u32, u32)> {
        let farthest = bound_of(similarity.max(self.floor));
        let inside = self.edges.partition_point(|edge| edge.distance <= farthest);
        let edges = &self.edges[..inside];
        let mut items: Vec<u32> = edges.iter().flat_map(|edge| [edge.a, edge.b]).collect();
        items.sort_unstable();
        items.dedup();
        // Places keep the order of items, so the lowest place of a group is its lowest item.
        let place = |item: u32| items.partition_point(|one| *one < item) as u32;
        let mut sets = Sets::new(items.len());
        for edge in edges {
            sets.join(place(edge.a), place(edge.b));
        }
        let firsts = sets.labels();
        let first_of = |(item, first): (&u32, u32)| (*item, items[first as usize]);
        items.iter().zip(firsts).map(first_of).collect()
    }

    /// The groups of at least two items at this similarity: members ascending, groups by their lowest member.
    pub fn members(&self, similarity: f32) -> Vec<Vec<u32>> {
        let groups = self.groups(similarity);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); groups.len()];
        for (item, group) in groups.iter().enumerate() {
            members[*group as usize].push(item as u32);
        }
        members.retain(|group| group.len() > 1);
        members
    }

    /// The groups at each step of [`DUPLICATE_LADDER`], as [`Duplicates::groups`] gives them.
    pub fn ladder(&self) -> [Vec<u32>; DUPLICATE_STEPS] {
        DUPLICATE_LADDER.map(|step| self.groups(step))
    }

    /// Bytes held.
    pub fn bytes_in_memory(&self) -> usize {
        self.edges.capacity() * size_of::<Edge>()
    }
}

/// Distance up to which a pair is at least this similar.
pub(crate) fn bound_of(similarity: f32) -> f32 {
    1.0 - similarity + ROUNDING
}

/// How sure it is that an item has a near-copy at a similarity step, from the distance of its nearest neighbour: 0 when that
/// lies outside the step, else `0.98 - k / (1 - step)` with `k = 0.48 * distance`, that is 0.98 for identical items, falling
/// to 0.5 at the edge of the step.
pub fn duplicate_confidence(nearest_distance: f32, step: f32) -> f32 {
    let width = 1.0 - step;
    if nearest_distance.is_nan() || nearest_distance > bound_of(step) {
        0.0
    } else if nearest_distance <= 0.0 || width <= 0.0 {
        MOST_CONFIDENCE
    } else {
        (MOST_CONFIDENCE - (MOST_CONFIDENCE - LEAST_CONFIDENCE) * nearest_distance / width)
            .max(LEAST_CONFIDENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_grow_as_similarity_falls() {
        let edges = [(0, 1, 0.0), (2, 4, 0.02), (1, 2, 0.04), (5, 6, 0.3)]
            .map(|(a, b, distance)| Edge { a, b, distance });
        let duplicates = Duplicates::new(7, 0.5, edges.into());
        assert_eq!(duplicates.members(1.0), [[0, 1]]);
        assert_eq!(duplicates.members(0.99), [[0, 1]]);
        assert_eq!(duplicates.members(0.98), [[0, 1], [2, 4]]);
        assert_eq!(duplicates.members(0.96), [[0, 1, 2, 4]]);
        assert_eq!(duplicates.members(0.7), [vec![0, 1, 2, 4], vec![5, 6]]);
        assert_eq!(duplicates.copies(0.98), [(0, 0), (1, 0), (2, 2), (4, 2)]);
        for similarity in [0.1, 0.7, 0.96, 0.98, 0.99, 1.0] {
            let groups = duplicates.groups(similarity);
            let copies = duplicates.copies(similarity);
            let members = duplicates.members(similarity);
            assert_eq!(copies.len(), members.iter().map(Vec::len).sum::<usize>());
            let agree = |(item, first): &(u32, u32)| groups[*item as usize] == *first;
            assert!(copies.iter().all(agree) && copies.is_sorted());
        }
        assert_eq!(duplicates.groups(0.1), duplicates.groups(0.5));
        assert_eq!(duplicates.groups(f32::NAN), duplicates.groups(0.5));
        assert_eq!(duplicates.ladder()[0], [0, 0, 0, 3, 0, 5, 6]);
    }

    #[test]
    fn confidence_falls_with_distance() {
        assert_eq!(duplicate_confidence(0.0, 0.96), 0.98);
        assert_eq!(duplicate_confidence(0.0, 1.0), 0.98);
        assert_eq!(duplicate_confidence(0.05, 0.96), 0.0);
        assert_eq!(duplicate_confidence(0.01, 1.0), 0.0);
        assert_eq!(duplicate_confidence(f32::NAN, 0.96), 0.0);
        let steps: Vec<f32> = [0.0, 0.01, 0.02, 0.03, 0.04]
            .map(|d| duplicate_confidence(d, 0.96))
            .into();
        assert!(
            steps.is_sorted_by(|a, b| a > b) && steps[4] >= 0.5,
            "{steps:?}"
        );
    }
}
