//! The four tests of labels and tags (truth table of contract 6).

use roaring::RoaringBitmap;

use crate::vql::{Element, VqlError};

/// How what an item has is compared with what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTest {
    /// Has all of them.
    Is,
    /// Does not have all of them together.
    IsNot,
    /// Has at least one.
    OneOf,
    /// Has none.
    NotOneOf,
}

impl SetTest {
    /// Reads the member `op`.
    pub(crate) fn read(element: &Element<'_>) -> Result<Self, VqlError> {
        let words = [
            ("is", Self::Is),
            ("is_not", Self::IsNot),
            ("one_of", Self::OneOf),
            ("not_one_of", Self::NotOneOf),
        ];
        element.word("op", &words)
    }

    /// The items that pass. `owners` are the items that have each of the values; `everything` all there are.
    pub(crate) fn select(
        self,
        owners: &[Option<&RoaringBitmap>],
        everything: RoaringBitmap,
    ) -> RoaringBitmap {
        match self {
            Self::OneOf => one_of(owners),
            Self::NotOneOf => everything - one_of(owners),
            Self::Is => all_of(owners, everything),
            Self::IsNot => {
                let having = all_of(owners, everything.clone());
                everything - having
            }
        }
    }
}

fn one_of(owners: &[Option<&RoaringBitmap>]) -> RoaringBitmap {
    let mut union = RoaringBitmap::new();
    for owners in owners.iter().flatten() {
        union |= *owners;
    }
    union
}

fn all_of(owners: &[Option<&RoaringBitmap>], everything: RoaringBitmap) -> RoaringBitmap {
    owners
        .iter()
        .fold(everything, |having, owners| match owners {
            Some(owners) => having & *owners,
            None => RoaringBitmap::new(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_truth_table_holds() {
        // 0 has A and B, 1 has A only, 2 has neither.
        let (a, b): (RoaringBitmap, RoaringBitmap) = ([0, 1].into(), [0].into());
        let table = [
            (SetTest::Is, vec![0]),
            (SetTest::IsNot, vec![1, 2]),
            (SetTest::OneOf, vec![0, 1]),
            (SetTest::NotOneOf, vec![2]),
        ];
        for (test, expected) in table {
            let everything: RoaringBitmap = (0..3).collect();
            let found = test.select(&[Some(&a), Some(&b)], everything);
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{test:?}");
        }
    }

    #[test]
    fn a_value_that_nothing_has_is_had_by_nothing() {
        let a: RoaringBitmap = [0].into();
        let everything = || (0..2).collect::<RoaringBitmap>();
        let select = |test: SetTest| test.select(&[Some(&a), None], everything()).len();
        assert_eq!(select(SetTest::Is), 0);
        assert_eq!(select(SetTest::IsNot), 2);
        assert_eq!(select(SetTest::OneOf), 1);
        assert_eq!(select(SetTest::NotOneOf), 1);
    }
}
