//! The order in which rows lie: those near each other side by side, so that what a search reads lies together.

use crate::column::Column;
use crate::graph::{Edge, Sets};

/// Which row lies where: ordinals stay what they are, rows are stored at places.
#[derive(Clone, PartialEq)]
pub(crate) struct Order {
    /// Ordinal of the row at each place.
    ordinals: Column<u32>,
    /// Place of the row of each ordinal.
    places: Vec<u32>,
}

impl Order {
    /// `None` unless every ordinal is there once.
    pub(crate) fn of(ordinals: Column<u32>) -> Option<Self> {
        const NOWHERE: u32 = u32::MAX;
        let mut places = vec![NOWHERE; ordinals.len()];
        for (place, ordinal) in (0..).zip(ordinals.iter()) {
            let known = places.get_mut(*ordinal as usize)?;
            if std::mem::replace(known, place) != NOWHERE {
                return None;
            }
        }
        Some(Self { ordinals, places })
    }

    /// Rows that are joined by edges, which ascend, one after the other: whatever hangs together by edges up to some length
    /// lies without a gap.
    pub(crate) fn along(edges: &[Edge], count: usize) -> Self {
        let mut sets = Sets::new(count);
        // Each set is a chain of rows. Sets are named by one of their rows, where the ends of their chains are kept.
        let all: Vec<u32> = (0..count as u32).collect();
        let (mut first, mut last, mut next) = (all.clone(), all.clone(), all);
        for edge in edges {
            let (a, b) = (sets.find(edge.a) as usize, sets.find(edge.b) as usize);
            if a == b {
                continue;
            }
            sets.join(edge.a, edge.b);
            next[last[a] as usize] = first[b];
            let joined = a.min(b);
            (first[joined], last[joined]) = (first[a], last[b]);
        }
        let mut ordinals = Vec::with_capacity(count);
        let mut places = vec![0; count];
        for set in 0..count as u32 {
            if sets.find(set) != set {
                continue;
            }
            let mut row = first[set as usize];
            loop {
                places[row as usize] = ordinals.len() as u32;
                ordinals.push(row);
                if row == last[set as usize] {
                    break;
                }
                row = next[row as usize];
            }
        }
        Self {
            ordinals: ordinals.into(),
            places,
        }
    }

    pub(crate) fn ordinals(&self) -> &Column<u32> {
        &self.ordinals
    }

    pub(crate) fn places(&self) -> &[u32] {
        &self.places
    }

    /// Takes in a row behind all others.
    pub(crate) fn push(&mut self) {
        let row = self.places.len() as u32;
        self.places.push(row);
        self.ordinals.make_owned().push(row);
    }

    pub(crate) fn bytes_in_memory(&self) -> usize {
        self.ordinals.bytes_owned() + self.places.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_together_lies_together_and_rows_are_added_behind() {
        let edges = [
            (5, 2, 0.1),
            (0, 7, 0.2),
            (7, 5, 0.3),
            (0, 2, 0.35),
            (3, 6, 0.4),
        ];
        let edges = edges.map(|(a, b, distance)| Edge { a, b, distance });
        let mut order = Order::along(&edges, 8);
        assert_eq!(order.ordinals()[..], [0, 7, 5, 2, 1, 3, 6, 4]);
        order.push();
        for (place, ordinal) in order.ordinals().iter().enumerate() {
            assert_eq!(order.places()[*ordinal as usize] as usize, place);
        }
        assert_eq!(order.places()[8], 8);
        let again = Order::of(order.ordinals().clone());
        assert!(again.is_some_and(|again| again == order));
        for wrong in [vec![0, 0], vec![0, 2], vec![1, u32::MAX]] {
            assert!(Order::of(wrong.into()).is_none());
        }
    }
}
