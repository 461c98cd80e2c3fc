//! The labels of each item, for showing them and for counting those of a cluster: asking every label who of a cluster carries it takes a hundred
//! times as long where there are a thousand labels.

use std::collections::BTreeMap;
use std::ops::Range;

use roaring::RoaringBitmap;

/// Labels by ordinal.
#[derive(Debug)]
pub(crate) struct LabelLists {
    names: Vec<String>,
    /// `labels[starts[i]..starts[i + 1]]` are those of item `i`, by place in `names`.
    starts: Vec<u32>,
    labels: Vec<u32>,
}

impl LabelLists {
    /// Turns owners by label into labels by owner.
    pub(crate) fn new(items: usize, owners: &BTreeMap<String, RoaringBitmap>) -> Self {
        let mut starts = vec![0_u32; items + 1];
        for ordinal in owners.values().flatten() {
            if let Some(count) = starts.get_mut(ordinal as usize + 1) {
                *count += 1;
            }
        }
        for item in 0..items {
            starts[item + 1] += starts[item];
        }
        let mut next = starts.clone();
        let mut labels = vec![0; starts[items] as usize];
        for (label, ordinals) in (0..).zip(owners.values()) {
            for ordinal in ordinals.range(0..items as u32) {
                let place = &mut next[ordinal as usize];
                labels[*place as usize] = label;
                *place += 1;
            }
        }
        Self {
            names: owners.keys().cloned().collect(),
            starts,
            labels,
        }
    }

    /// Where the labels of an item are; of one that came later, nowhere.
    fn place(&self, ordinal: u32) -> Range<usize> {
        let place = ordinal as usize;
        let ends = self.starts.get(place).zip(self.starts.get(place + 1));
        ends.map_or(0..0, |(start, end)| *start as usize..*end as usize)
    }

    /// The labels of an item, by name.
    pub(crate) fn names(&self, ordinal: u32) -> Vec<String> {
        let name = |label: &u32| self.names[*label as usize].clone();
        self.labels[self.place(ordinal)].iter().map(name).collect()
    }

    /// How many of these items carry each label that any of them carries.
    pub(crate) fn count(&self, items: impl Iterator<Item = u32>) -> BTreeMap<String, u64> {
        // All places first: items lie anywhere, and one that has to be waited for must not keep the next from being asked for, as it
        // would where how many labels it has decides how the loop goes on.
        let places: Vec<Range<usize>> = items.map(|item| self.place(item)).collect();
        let mut counts = vec![0_u64; self.names.len()];
        let mut met = Vec::new();
        for label in places.into_iter().flat_map(|place| &self.labels[place]) {
            let count = &mut counts[*label as usize];
            if *count == 0 {
                met.push(*label as usize);
            }
            *count += 1;
        }
        let named = met
            .into_iter()
            .map(|label| (self.names[label].clone(), counts[label]));
        named.collect()
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let names: usize = self.names.iter().map(String::capacity).sum();
        names + (self.starts.capacity() + self.labels.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_agree_with_the_owners() {
        let owners: BTreeMap<String, RoaringBitmap> = [
            ("cat".to_owned(), [0, 2, 5].into()),
            ("dog".to_owned(), [2].into()),
            ("none".to_owned(), RoaringBitmap::new()),
            // One that came after the others.
            ("late".to_owned(), [5, 9].into()),
        ]
        .into();
        let lists = LabelLists::new(6, &owners);
        let count = |items: &[u32]| {
            let counts = lists.count(items.iter().copied());
            counts.into_iter().collect::<Vec<_>>()
        };
        let named = |name: &str, count| (name.to_owned(), count);
        assert_eq!(
            count(&[2, 5]),
            [named("cat", 2), named("dog", 1), named("late", 1)]
        );
        assert_eq!(count(&[1, 3, 9]), []);
        assert_eq!(lists.names(2), ["cat", "dog"]);
        assert_eq!(lists.names(5), ["cat", "late"]);
        assert!(lists.names(1).is_empty() && lists.names(9).is_empty());
        assert_eq!(
            LabelLists::new(0, &owners).count([0].into_iter()),
            BTreeMap::new()
        );
    }
}
