//! Which rows stand for others in a graph.

use std::ops::Range;

use crate::twins::Twins;

/// Rows that are identical to a lower row, by that row. Empty in most datasets, so it is kept small.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct TwinTable {
    /// (lowest row, its twin), ascending.
    pairs: Vec<(u32, u32)>,
}

impl TwinTable {
    pub(crate) fn of(twins: &Twins) -> Self {
        let pairs = (0..twins.len() as u32).flat_map(|kind| {
            let (first, members) = (twins.first(kind), twins.members(kind));
            members[1..].iter().map(move |twin| (first, *twin))
        });
        Self {
            pairs: pairs.collect(),
        }
    }

    /// From pairs of (lowest row, its twin); `None` unless they ascend, each twin is above its lowest row and none is
    /// the twin of two rows.
    pub(crate) fn from_pairs(pairs: Vec<(u32, u32)>) -> Option<Self> {
        let is_sound =
            pairs.is_sorted_by(|a, b| a < b) && pairs.iter().all(|(first, twin)| first < twin);
        let table = Self { pairs };
        let mut twins: Vec<u32> = table.pairs.iter().map(|(_, twin)| *twin).collect();
        twins.sort_unstable();
        let is_once = twins.is_sorted_by(|a, b| a < b)
            && twins.iter().all(|twin| table.range(*twin).is_empty());
        (is_sound && is_once).then_some(table)
    }

    pub(crate) fn pairs(&self) -> &[(u32, u32)] {
        &self.pairs
    }

    pub(crate) const fn len(&self) -> usize {
        self.pairs.len()
    }

    fn range(&self, first: u32) -> Range<usize> {
        let start = self.pairs.partition_point(|pair| pair.0 < first);
        let end = self.pairs[start..].partition_point(|pair| pair.0 == first);
        start..start + end
    }

    /// The twins of a row, the row itself excluded, ascending.
    pub(crate) fn of_row(&self, first: u32) -> impl Iterator<Item = u32> {
        let range = if self.pairs.is_empty() {
            0..0
        } else {
            self.range(first)
        };
        self.pairs[range].iter().map(|(_, twin)| *twin)
    }

    pub(crate) fn bytes_in_memory(&self) -> usize {
        self.pairs.capacity() * size_of::<(u32, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_by_their_lowest_row_and_contradictions_refused() {
        let table = TwinTable::from_pairs(vec![(1, 4), (1, 9), (3, 5)]).unwrap();
        let of = |row| table.of_row(row).collect::<Vec<u32>>();
        assert_eq!((of(1), of(3), of(2)), (vec![4, 9], vec![5], vec![]));
        for wrong in [
            vec![(3, 5), (1, 4)],
            vec![(1, 4), (1, 4)],
            vec![(4, 4)],
            vec![(1, 4), (4, 6)],
            vec![(1, 4), (2, 4)],
        ] {
            assert!(TwinTable::from_pairs(wrong).is_none());
        }
    }
}
