//! Union-find, the small tool under duplicate groups and clusters.

/// Disjoint sets of 0..n. The representative of a set is its lowest member, so results do not depend on the order of unions.
#[derive(Debug, Clone)]
pub(crate) struct Sets {
    parents: Vec<u32>,
}

impl Sets {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            parents: (0..count as u32).collect(),
        }
    }

    /// The lowest member of the set of `item`.
    pub(crate) fn find(&mut self, item: u32) -> u32 {
        let mut at = item;
        while self.parents[at as usize] != at {
            let up = self.parents[self.parents[at as usize] as usize];
            self.parents[at as usize] = up;
            at = up;
        }
        at
    }

    /// Joins two sets; false when they were one already.
    pub(crate) fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a.max(b) as usize] = a.min(b);
        a != b
    }

    /// The lowest member of the set of each item.
    pub(crate) fn labels(&mut self) -> Vec<u32> {
        (0..self.parents.len() as u32)
            .map(|item| self.find(item))
            .collect()
    }
}

/// An undirected edge with its distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) distance: f32,
}

impl Edge {
    /// Shortest first, then by ends: a total order, so that sorting decides everything.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.distance
            .total_cmp(&other.distance)
            .then(self.a.cmp(&other.a))
            .then(self.b.cmp(&other.b))
    }
}

/// Keeps the edges of a minimum spanning forest: the same connected components at every bound, in at most `count - 1` edges.
pub(crate) fn reduce_to_forest(edges: &mut Vec<Edge>, count: usize) {
    edges.sort_unstable_by(Edge::order);
    let mut sets = Sets::new(count);
    edges.retain(|edge| sets.join(edge.a, edge.b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forest_connects_what_all_edges_connect() {
        let all: Vec<Edge> = [
            (0, 1, 0.1),
            (1, 2, 0.2),
            (0, 2, 0.3),
            (3, 4, 0.1),
            (2, 4, 0.5),
            (0, 3, 0.4),
        ]
        .map(|(a, b, distance)| Edge { a, b, distance })
        .into();
        let mut forest = all.clone();
        reduce_to_forest(&mut forest, 6);
        assert_eq!(forest.len(), 4);
        for bound in [0.05, 0.1, 0.2, 0.3, 0.4, 0.5] {
            let labels = |edges: &[Edge]| {
                let mut sets = Sets::new(6);
                edges
                    .iter()
                    .filter(|edge| edge.distance <= bound)
                    .for_each(|edge| {
                        sets.join(edge.a, edge.b);
                    });
                sets.labels()
            };
            assert_eq!(labels(&all), labels(&forest), "{bound}");
        }
    }
}
