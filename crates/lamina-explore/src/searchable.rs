//! Vectors that can be searched, whoever they belong to.

use std::sync::{Arc, OnceLock};

use lamina_index::{
    Generation, Hit, IndexSettings, Int8Index, StopFlag, VectorBlock, VectorIndex, open_index,
};
use roaring::RoaringBitmap;

use crate::ExploreError;

/// One block of vectors with its index. That of a generation comes with it; other blocks are searched exactly until the index
/// of a large one is built.
#[derive(Debug)]
pub(crate) struct Searchable {
    vectors: Arc<VectorBlock>,
    index: Box<dyn VectorIndex>,
    /// That of a large block, once it is built.
    built: Arc<OnceLock<Box<dyn VectorIndex>>>,
    owners: Owners,
    /// Whether some item has several rows.
    is_several: bool,
}

/// Whose each row is.
#[derive(Debug)]
enum Owners {
    /// Row `i` is that of item `i`.
    Plain,
    /// Row `i` is that of item `owners[i]`, ascending: items may have none or several.
    One(Vec<u32>),
    /// Rows are shared.
    Shared(SharedRows),
}

/// Rows that items share, as captions that read alike do.
#[derive(Debug)]
struct SharedRows {
    /// Item and row, ascending.
    pairs: Vec<(u32, u32)>,
    /// `owners[starts[i]..starts[i + 1]]` have row `i`, ascending.
    starts: Vec<u32>,
    owners: Vec<u32>,
}

/// Items that are allowed are looked up one by one if there are so many times as many pairs.
const PAIRS_PER_LOOK_UP: u64 = 16;

impl SharedRows {
    fn new(rows: usize, pairs: Vec<(u32, u32)>) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        for (_, row) in &pairs {
            starts[*row as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut owners = vec![0; pairs.len()];
        for (item, row) in &pairs {
            let place = &mut next[*row as usize];
            owners[*place as usize] = *item;
            *place += 1;
        }
        Self {
            pairs,
            starts,
            owners,
        }
    }

    fn of(&self, row: u32) -> &[u32] {
        let place = row as usize;
        let ends = self.starts.get(place).zip(self.starts.get(place + 1));
        let list = ends.and_then(|(start, end)| self.owners.get(*start as usize..*end as usize));
        list.unwrap_or_default()
    }

    /// The rows of a few items; `None` where looking through all rows takes no longer.
    fn rows_of(&self, allowed: &RoaringBitmap) -> Option<RoaringBitmap> {
        if allowed.len().saturating_mul(PAIRS_PER_LOOK_UP) > self.pairs.len() as u64 {
            return None;
        }
        let rows = allowed.iter().flat_map(|item| {
            let start = self.pairs.partition_point(|(one, _)| *one < item);
            let of_item = self.pairs[start..].iter();
            of_item
                .take_while(move |(one, _)| *one == item)
                .map(|(_, row)| *row)
        });
        Some(rows.collect())
    }
}

impl Searchable {
    /// The vectors of a generation, one per item, in the order of ordinals.
    pub(crate) fn of_generation(generation: &Generation) -> Self {
        Self {
            vectors: Arc::clone(&generation.vectors),
            index: generation.index(),
            built: Arc::default(),
            owners: Owners::Plain,
            is_several: false,
        }
    }

    /// Vectors of some items: row `i` belongs to `owners[i]`, ascending.
    pub(crate) fn of_some(vectors: Arc<VectorBlock>, owners: Vec<u32>) -> Self {
        let is_plain = (0..).zip(&owners).all(|(row, owner)| row == *owner);
        let is_several = owners.windows(2).any(|pair| pair[0] == pair[1]);
        Self {
            is_several,
            index: Box::new(Int8Index::new(Arc::clone(&vectors))),
            vectors,
            built: Arc::default(),
            owners: if is_plain {
                Owners::Plain
            } else {
                Owners::One(owners)
            },
        }
    }

    /// Vectors that items share: `pairs` of an item and its row, ascending.
    pub(crate) fn shared(vectors: Arc<VectorBlock>, pairs: Vec<(u32, u32)>) -> Self {
        let is_several = pairs.windows(2).any(|pair| pair[0].0 == pair[1].0);
        Self {
            is_several,
            index: Box::new(Int8Index::new(Arc::clone(&vectors))),
            built: Arc::default(),
            owners: Owners::Shared(SharedRows::new(vectors.len(), pairs)),
            vectors,
        }
    }

    /// Work that builds the index of a large block, for a blocking thread: minutes of CPU time for a million vectors.
    /// `None` for a block that is searched exactly.
    pub(crate) fn index_job(
        &self,
        settings: IndexSettings,
        stop: StopFlag,
    ) -> Option<impl FnOnce() + Send + use<>> {
        (self.vectors.len() > settings.exact_limit).then(|| {
            let (vectors, built) = (Arc::clone(&self.vectors), Arc::clone(&self.built));
            move || match open_index(vectors, &settings, &stop) {
                Ok(index) => {
                    let _ = built.set(index);
                }
                Err(error) => {
                    tracing::warn!(%error, "no index for a large dataset; its searches stay exact")
                }
            }
        })
    }

    /// All items within `max_distance` of `query`, of those in `allowed` if given, ascending by distance, then ordinal. An item
    /// with several vectors counts by its nearest.
    ///
    /// # Errors
    /// A query of another dimension.
    pub(crate) fn within(
        &self,
        query: &[f32],
        max_distance: f32,
        allowed: Option<&RoaringBitmap>,
    ) -> Result<Vec<Hit>, ExploreError> {
        let stop = StopFlag::new();
        let index = self.built.get().unwrap_or(&self.index);
        let mut hits = match &self.owners {
            Owners::Plain => return Ok(index.range_search(query, max_distance, allowed, &stop)?),
            Owners::One(owners) => {
                let rows = allowed.map(|allowed| rows_of(owners, allowed));
                let mut hits = index.range_search(query, max_distance, rows.as_ref(), &stop)?;
                for hit in &mut hits {
                    let owner = owners.get(hit.ordinal as usize).copied();
                    hit.ordinal = owner.unwrap_or(u32::MAX);
                }
                hits
            }
            Owners::Shared(shared) => {
                let rows = allowed.and_then(|allowed| shared.rows_of(allowed));
                let found = index.range_search(query, max_distance, rows.as_ref(), &stop)?;
                let is_allowed = |item: &u32| allowed.is_none_or(|allowed| allowed.contains(*item));
                let of_row = |hit: &Hit| {
                    let distance = hit.distance;
                    let owners = shared.of(hit.ordinal).iter().copied().filter(is_allowed);
                    owners.map(move |ordinal| Hit { ordinal, distance })
                };
                found.iter().flat_map(of_row).collect()
            }
        };
        // Ascending but for rows that are equally far: a sort that sees that has little to do.
        hits.sort();
        if self.is_several {
            let mut seen = RoaringBitmap::new();
            hits.retain(|hit| seen.insert(hit.ordinal));
        }
        Ok(hits)
    }

    /// Bytes held, vectors and index included.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let index = self.built.get().unwrap_or(&self.index).bytes_in_memory();
        let owners = match &self.owners {
            Owners::Plain => 0,
            Owners::One(owners) => owners.capacity(),
            Owners::Shared(shared) => {
                2 * shared.pairs.capacity() + shared.starts.capacity() + shared.owners.capacity()
            }
        };
        index + owners * size_of::<u32>()
    }
}

/// The rows of the allowed items.
fn rows_of(owners: &[u32], allowed: &RoaringBitmap) -> RoaringBitmap {
    let rows = (0..).zip(owners);
    // Ascending by construction, which is what makes this cheap.
    RoaringBitmap::from_sorted_iter(
        rows.filter(|(_, owner)| allowed.contains(**owner))
            .map(|(row, _)| row),
    )
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lamina_types::Embedding;

    fn block(angles: &[f32]) -> Arc<VectorBlock> {
        let rows: Vec<Embedding> = angles
            .iter()
            .map(|angle| Embedding::new(vec![angle.cos(), angle.sin()]).unwrap())
            .collect();
        Arc::new(VectorBlock::from_embeddings(&rows).unwrap())
    }

    #[test]
    fn an_item_counts_by_its_nearest_vector_and_others_do_not_exist() {
        let some = Searchable::of_some(block(&[0.5, 0.1, 0.2, 0.3]), vec![2, 2, 5, 9]);
        let ordinals = |allowed: Option<&RoaringBitmap>| -> Vec<u32> {
            let hits = some.within(&[1.0, 0.0], 2.0, allowed).unwrap();
            hits.iter().map(|hit| hit.ordinal).collect()
        };
        assert_eq!(ordinals(None), [2, 5, 9]);
        assert_eq!(ordinals(Some(&[0, 1, 3, 5, 9].into())), [5, 9]);
        assert_eq!(ordinals(Some(&RoaringBitmap::new())), [0_u32; 0]);
        let nearest = some.within(&[1.0, 0.0], 0.01, None).unwrap();
        assert_eq!(nearest.len(), 1);
    }

    #[test]
    fn a_shared_vector_is_found_for_all_who_have_it() {
        // Items 2 and 40 share row 1, item 2 has row 0 as well, item 7 row 2.
        let pairs = vec![(2, 0), (2, 1), (7, 2), (40, 1)];
        let shared = Searchable::shared(block(&[0.5, 0.1, 0.3]), pairs);
        let found = |bound: f32, allowed: Option<&RoaringBitmap>| -> Vec<u32> {
            let hits = shared.within(&[1.0, 0.0], bound, allowed).unwrap();
            hits.iter().map(|hit| hit.ordinal).collect()
        };
        assert_eq!(found(2.0, None), [2, 40, 7]);
        assert_eq!(found(0.01, None), [2, 40]);
        assert_eq!(found(2.0, Some(&[7, 40].into())), [40, 7]);
        assert_eq!(found(2.0, Some(&[3].into())), [0_u32; 0]);
        // Few of many are looked up by item, which must find the same.
        let many: Vec<(u32, u32)> = (0..400).map(|item| (item, item % 3)).collect();
        let shared = Searchable::shared(block(&[0.5, 0.1, 0.3]), many);
        let hits = shared.within(&[1.0, 0.0], 2.0, Some(&[9, 10, 11].into()));
        let ordinals: Vec<u32> = hits.unwrap().iter().map(|hit| hit.ordinal).collect();
        assert_eq!(ordinals, [10, 11, 9]);
    }
}
