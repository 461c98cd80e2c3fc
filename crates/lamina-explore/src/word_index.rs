//! Searches for words: Postgres matches and ranks the texts, who says them is known here.
//!
//! Captions of models repeat, so there are far fewer texts than items, and a word that half of a dataset has is in half of its
//! texts only. What a search found is kept for a while: its next page, and everybody else who asks the same, gets it from here.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lamina_index::Hit;
use lamina_store::caption_texts::{self, WordQuery};
use lamina_store::sqlx::PgPool;
use lamina_types::{DatasetId, EntityType};
use roaring::RoaringBitmap;
use tokio::sync::OnceCell;

use crate::ExploreError;

/// Searches kept.
const KEPT: usize = 32;

/// Items of all searches kept together, beside the newest: 8 bytes each.
const ITEMS_KEPT: usize = 1 << 20;

/// What a word search matches: each item once, with its score.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Ranked {
    /// Ascending by score, then ordinal.
    pub(crate) hits: Vec<Hit>,
    /// The same items.
    pub(crate) set: RoaringBitmap,
}

/// Who says what, and what was searched for lately.
#[derive(Debug)]
pub(crate) struct WordIndex {
    dataset: DatasetId,
    entity: EntityType,
    texts: Texts,
    /// The search asked for last at the end.
    lately: Mutex<VecDeque<Kept>>,
}

#[derive(Debug)]
struct Kept {
    query: WordQuery,
    found: Arc<OnceCell<Arc<Ranked>>>,
}

impl WordIndex {
    /// Reads who says what, of the first `count` items: what came after a snapshot was made is not in it yet.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn load(
        pool: &PgPool,
        dataset: DatasetId,
        entity: EntityType,
        count: usize,
    ) -> Result<Self, ExploreError> {
        let said = caption_texts::said(pool, dataset, entity).await?;
        let texts = tokio::task::spawn_blocking(move || Texts::new(said, count)).await?;
        Ok(Self {
            dataset,
            entity,
            texts,
            lately: Mutex::default(),
        })
    }

    /// What has these words. Whoever asks for the same at the same time waits for one search.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn search(
        self: &Arc<Self>,
        pool: &PgPool,
        query: &WordQuery,
    ) -> Result<Arc<Ranked>, ExploreError> {
        if self.texts.ids.is_empty() {
            return Ok(Arc::default());
        }
        let found = self.place(query);
        let search = || async {
            let matching = caption_texts::search(pool, self.dataset, self.entity, query).await?;
            let index = Arc::clone(self);
            let ranked = tokio::task::spawn_blocking(move || index.texts.ranked(matching)).await?;
            Ok::<_, ExploreError>(Arc::new(ranked))
        };
        let ranked = Arc::clone(found.get_or_try_init(search).await?);
        self.make_room();
        Ok(ranked)
    }

    /// The place of a search that is kept, or a new one.
    fn place(&self, query: &WordQuery) -> Arc<OnceCell<Arc<Ranked>>> {
        let mut lately = self.lock();
        let known = lately.iter().position(|kept| kept.query == *query);
        let kept = known
            .and_then(|place| lately.remove(place))
            .unwrap_or_else(|| Kept {
                query: query.clone(),
                found: Arc::default(),
            });
        let found = Arc::clone(&kept.found);
        lately.push_back(kept);
        if lately.len() > KEPT {
            lately.pop_front();
        }
        found
    }

    /// Forgets the oldest searches while all hold too much.
    fn make_room(&self) {
        let mut lately = self.lock();
        let mut held: usize = lately.iter().map(Kept::items).sum();
        while held > ITEMS_KEPT && lately.len() > 1 {
            held -= lately.pop_front().map_or(0, |kept| kept.items());
        }
    }

    /// Bytes held.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let items: usize = self.lock().iter().map(Kept::items).sum();
        // The set of a search takes at most four bytes an item.
        self.texts.bytes_in_memory() + items * (size_of::<Hit>() + size_of::<u32>())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Whatever panicked, the list is whole: each critical section is a plain update.
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn items(&self) -> usize {
        self.found.get().map_or(0, |ranked| ranked.hits.len())
    }
}

/// The items of each text.
#[derive(Debug, Default)]
struct Texts {
    /// Ascending.
    ids: Vec<i64>,
    /// `items[starts[i]..starts[i + 1]]` say the text `ids[i]`, ascending.
    starts: Vec<u32>,
    items: Vec<u32>,
    /// Whether some item has several captions.
    is_shared: bool,
}

impl Texts {
    /// Of pairs of text and item.
    fn new(mut said: Vec<(i64, u32)>, count: usize) -> Self {
        said.retain(|(_, item)| (*item as usize) < count);
        said.sort_unstable();
        said.dedup();
        let mut texts = Self::default();
        let mut seen = RoaringBitmap::new();
        for (text, item) in &said {
            if texts.ids.last() != Some(text) {
                texts.ids.push(*text);
                texts.starts.push(texts.items.len() as u32);
            }
            texts.items.push(*item);
            texts.is_shared |= !seen.insert(*item);
        }
        texts.starts.push(texts.items.len() as u32);
        texts.ids.shrink_to_fit();
        texts.starts.shrink_to_fit();
        texts.items.shrink_to_fit();
        texts
    }

    fn range(&self, place: usize) -> Range<usize> {
        let at = |place: usize| self.starts.get(place).map_or(0, |start| *start as usize);
        at(place)..at(place + 1)
    }

    /// The items of texts that match, each with the score of the best of its texts.
    fn ranked(&self, mut matching: Vec<(i64, f32)>) -> Ranked {
        // The better the rank, the smaller the score; scores may be equal where ranks are not.
        let score = |rank: f32| 1.0 / (1.0 + rank.max(0.0));
        matching.sort_unstable_by(|(a, rank), (b, other)| {
            score(*rank).total_cmp(&score(*other)).then(a.cmp(b))
        });
        let mut ranked = Ranked::default();
        let mut alike: Vec<u32> = Vec::new();
        for run in matching.chunk_by(|(_, a), (_, b)| score(*a) == score(*b)) {
            alike.clear();
            for (text, _) in run {
                // What nobody says any more is no text of ours.
                if let Ok(place) = self.ids.binary_search(text) {
                    alike.extend(self.items.get(self.range(place)).unwrap_or_default());
                }
            }
            alike.sort_unstable();
            alike.dedup();
            if self.is_shared {
                alike.retain(|item| !ranked.set.contains(*item));
            }
            ranked.set.extend(alike.iter().copied());
            let distance = run.first().map_or(1.0, |(_, rank)| score(*rank));
            let hits = alike.iter().map(|ordinal| Hit {
                ordinal: *ordinal,
                distance,
            });
            ranked.hits.extend(hits);
        }
        ranked
    }

    fn bytes_in_memory(&self) -> usize {
        self.ids.capacity() * size_of::<i64>()
            + (self.starts.capacity() + self.items.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(ordinal: u32, rank: f32) -> Hit {
        Hit {
            ordinal,
            distance: 1.0 / (1.0 + rank),
        }
    }

    #[test]
    fn an_item_has_the_rank_of_the_best_of_its_texts() {
        let said = vec![(7, 3), (5, 0), (9, 3), (5, 2), (9, 1), (9, 8), (5, 2)];
        let texts = Texts::new(said, 8);
        assert!(texts.is_shared);
        assert_eq!(texts.ids, [5, 7, 9]);
        let ranked = texts.ranked(vec![(9, 0.5), (5, 0.25), (6, 0.75), (7, 0.25)]);
        let expected = [hit(1, 0.5), hit(3, 0.5), hit(0, 0.25), hit(2, 0.25)];
        assert_eq!(ranked.hits, expected);
        assert!(ranked.hits.is_sorted());
        assert_eq!(ranked.set, RoaringBitmap::from([0, 1, 2, 3]));
        assert_eq!(texts.ranked(Vec::new()), Ranked::default());
        let none = Texts::new(Vec::new(), 8).ranked(vec![(5, 1.0)]);
        assert_eq!(none, Ranked::default());
    }

    #[test]
    fn the_order_is_that_of_scores_and_not_of_ranks_or_texts() {
        let texts = Texts::new((0..6).map(|n| (i64::from(9 - n), n)).collect(), 6);
        // The last two are different ranks and one score.
        let close = f32::from_bits(0.5_f32.to_bits() - 1);
        let ranks = vec![
            (4, close),
            (9, 0.5),
            (5, -1.0),
            (8, 0.0),
            (7, 0.1),
            (6, 0.5),
        ];
        let ranked = texts.ranked(ranks);
        let ordinals: Vec<u32> = ranked.hits.iter().map(|hit| hit.ordinal).collect();
        assert_eq!(ordinals, [0, 3, 5, 2, 1, 4]);
        assert!(ranked.hits.is_sorted());
    }

    #[test]
    fn what_was_searched_for_longest_ago_makes_room() {
        let index = WordIndex {
            dataset: DatasetId::new(),
            entity: EntityType::Images,
            texts: Texts::new(vec![(1, 0)], 1),
            lately: Mutex::default(),
        };
        let query = |number: usize| WordQuery::Words(number.to_string());
        let fill = |number: usize, items: usize| {
            let hits = vec![hit(0, 0.0); items];
            let set = RoaringBitmap::new();
            let ranked = Arc::new(Ranked { hits, set });
            index.place(&query(number)).set(ranked).unwrap();
        };
        for number in 0..KEPT {
            fill(number, 1);
        }
        let is_kept = |number: usize| {
            let lately = index.lock();
            lately.iter().any(|kept| kept.query == query(number))
        };
        assert!(index.place(&query(0)).initialized(), "asked for again");
        fill(KEPT, 1);
        assert!(is_kept(0) && !is_kept(1) && is_kept(KEPT));
        let before = index.bytes_in_memory();
        fill(KEPT + 1, ITEMS_KEPT + 1);
        index.make_room();
        assert!(!is_kept(KEPT) && is_kept(KEPT + 1), "the newest stays");
        assert!(index.bytes_in_memory() > before);
        fill(KEPT + 2, 1);
        index.make_room();
        assert!(!is_kept(KEPT + 1) && is_kept(KEPT + 2));
    }
}
