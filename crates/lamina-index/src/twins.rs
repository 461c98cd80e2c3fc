//! Identical rows.
//!
//! Datasets hold many copies of the same picture. Their vectors are equal to the bit, and a neighbour list (or a graph row)
//! that is full of them leads nowhere else. So neighbours and graphs are made over one row of each kind, the lowest, and
//! results are spread to its twins afterwards.

use std::collections::HashMap;

use half::slice::HalfFloatSliceExt;

use crate::VectorBlock;

/// Which rows are identical. A *kind* is a set of identical rows; kinds are numbered by their lowest row.
#[derive(Debug, Clone)]
pub(crate) struct Twins {
    /// Kind of each row.
    kinds: Vec<u32>,
    /// Where the members of each kind begin in `members`; one entry more than kinds.
    starts: Vec<u32>,
    /// Rows by kind, ascending within each.
    members: Vec<u32>,
}

impl Twins {
    pub(crate) fn find(vectors: &VectorBlock) -> Self {
        let mut known: HashMap<&[u16], u32> = HashMap::with_capacity(vectors.len());
        let mut kinds = Vec::with_capacity(vectors.len());
        let mut sizes: Vec<u32> = Vec::new();
        for row in 0..vectors.len() {
            let fresh = sizes.len() as u32;
            let kind = *known
                .entry(vectors.row(row).reinterpret_cast())
                .or_insert(fresh);
            if kind == fresh {
                sizes.push(0);
            }
            sizes[kind as usize] += 1;
            kinds.push(kind);
        }
        let mut starts = Vec::with_capacity(sizes.len() + 1);
        let mut next = 0;
        starts.push(0);
        for size in &sizes {
            next += size;
            starts.push(next);
        }
        let mut members = vec![0; kinds.len()];
        let mut fill = starts.clone();
        for (row, kind) in kinds.iter().enumerate() {
            let place = &mut fill[*kind as usize];
            members[*place as usize] = row as u32;
            *place += 1;
        }
        Self {
            kinds,
            starts,
            members,
        }
    }

    /// Number of kinds.
    pub(crate) const fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Kind of a row.
    pub(crate) fn kind(&self, row: u32) -> u32 {
        self.kinds[row as usize]
    }

    /// The rows of a kind, ascending, at least one.
    pub(crate) fn members(&self, kind: u32) -> &[u32] {
        let kind = kind as usize;
        &self.members[self.starts[kind] as usize..self.starts[kind + 1] as usize]
    }

    /// The lowest row of a kind.
    pub(crate) fn first(&self, kind: u32) -> u32 {
        self.members[self.starts[kind as usize] as usize]
    }

    /// The lowest row of every kind, ascending.
    pub(crate) fn firsts(&self) -> Vec<u32> {
        (0..self.len() as u32)
            .map(|kind| self.first(kind))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use lamina_types::Embedding;

    use super::*;

    #[test]
    fn identical_rows_are_one_kind() {
        let rows: Vec<Embedding> = [
            [1.0, 0.0],
            [0.0, 1.0],
            [1.0, 0.0],
            [0.6, 0.8],
            [0.0, 1.0],
            [1.0, 0.0],
        ]
        .map(|v| Embedding::new(v.to_vec()).unwrap())
        .into();
        let twins = Twins::find(&VectorBlock::from_embeddings(&rows).unwrap());
        assert_eq!(twins.len(), 3);
        assert_eq!(twins.firsts(), [0, 1, 3]);
        assert_eq!(twins.members(0), [0, 2, 5]);
        assert_eq!(twins.members(1), [1, 4]);
        assert_eq!(twins.kind(4), 1);
        assert_eq!(Twins::find(&VectorBlock::empty(2).unwrap()).len(), 0);
    }
}
