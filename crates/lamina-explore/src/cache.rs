//! Snapshots in memory: one load at a time per dataset and entity type, a byte budget, the least recently used goes first.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use crate::ExploreError;

/// How long a failed load is remembered, so that a broken dataset does not load in a tight loop.
const FAILURE_MEMORY: Duration = Duration::from_secs(2);

/// How long values that are there already need not be weighed again.
const WEIGHED_FOR: Duration = Duration::from_secs(1);

/// Something that knows how much memory it holds.
pub trait Weighed {
    /// Bytes held.
    fn bytes_in_memory(&self) -> usize;
}

/// Values per key and revision.
#[derive(Debug)]
pub struct SnapshotCache<K, T> {
    budget_bytes: usize,
    entries: Mutex<Entries<K, T>>,
}

#[derive(Debug)]
struct Entries<K, T> {
    clock: u64,
    /// When all values were weighed last.
    weighed: Instant,
    by_key: HashMap<K, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    revision: i64,
    cell: Arc<OnceCell<Arc<T>>>,
    /// The value of the revision before, until this one is loaded.
    previous: Option<Arc<T>>,
    last_used: u64,
    failed: Option<(Instant, String)>,
}

impl<K: Copy + Eq + Hash + Debug, T: Weighed> SnapshotCache<K, T> {
    /// An empty cache that keeps at most about `budget_bytes`; the value asked for last always stays.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            entries: Mutex::new(Entries {
                clock: 0,
                weighed: Instant::now(),
                by_key: HashMap::new(),
            }),
        }
    }

    /// The value of `key` at `revision`, loaded by `load` when it is not there, which is given the value of an earlier revision
    /// if there is one. Concurrent callers share one load.
    ///
    /// # Errors
    /// What `load` says, or [`ExploreError::Unavailable`] within two seconds of a failed load.
    pub async fn get<F, Fut>(&self, key: K, revision: i64, load: F) -> Result<Arc<T>, ExploreError>
    where
        F: FnOnce(Option<Arc<T>>) -> Fut,
        Fut: Future<Output = Result<T, ExploreError>>,
    {
        let (cell, previous) = self.cell(key, revision)?;
        let is_new = !cell.initialized();
        match cell
            .get_or_try_init(|| async { load(previous).await.map(Arc::new) })
            .await
        {
            Ok(value) => {
                let value = Arc::clone(value);
                self.settle(key, is_new);
                Ok(value)
            }
            Err(error) => {
                if let Some(entry) = self.lock().by_key.get_mut(&key) {
                    entry.failed = Some((Instant::now(), error.to_string()));
                }
                Err(error)
            }
        }
    }

    /// The value of `key` at `revision` or later, if it is there.
    pub fn loaded(&self, key: K, revision: i64) -> Option<Arc<T>> {
        let value = {
            let mut entries = self.lock();
            entries.clock += 1;
            let now = entries.clock;
            let entry = entries.by_key.get_mut(&key);
            let entry = entry.filter(|entry| entry.revision >= revision)?;
            let value = entry.cell.get().cloned()?;
            entry.last_used = now;
            value
        };
        self.settle(key, false);
        Some(value)
    }

    /// Bytes held by loaded values.
    pub fn bytes_in_memory(&self) -> usize {
        self.lock().by_key.values().map(Entry::bytes).sum()
    }

    /// The place of the value, and the value of the revision before.
    #[expect(
        clippy::type_complexity,
        reason = "a cell of a shared value, said once"
    )]
    fn cell(
        &self,
        key: K,
        revision: i64,
    ) -> Result<(Arc<OnceCell<Arc<T>>>, Option<Arc<T>>), ExploreError> {
        let mut entries = self.lock();
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries
            .by_key
            .entry(key)
            .or_insert_with(|| Entry::fresh(revision, None));
        // A reader that read its row before the last change must not throw the newer snapshot away.
        if entry.revision < revision {
            let previous = entry.cell.get().cloned().or_else(|| entry.previous.take());
            *entry = Entry::fresh(revision, previous);
        }
        entry.last_used = now;
        match &entry.failed {
            Some((at, reason)) if at.elapsed() < FAILURE_MEMORY => {
                Err(ExploreError::Unavailable(reason.clone()))
            }
            Some(_) | None => Ok((Arc::clone(&entry.cell), entry.previous.clone())),
        }
    }

    /// Forgets what a new value replaces, and what there is no room for. Values grow while they are used, so they are weighed from
    /// time to time as well; a million items are weighed in a good part of a millisecond.
    fn settle(&self, keep: K, is_new: bool) {
        let mut entries = self.lock();
        if !is_new && entries.weighed.elapsed() < WEIGHED_FOR {
            return;
        }
        entries.weighed = Instant::now();
        if let Some(entry) = entries.by_key.get_mut(&keep) {
            entry.previous = None;
        }
        let mut held: usize = entries.by_key.values().map(Entry::bytes).sum();
        while held > self.budget_bytes {
            let oldest = entries
                .by_key
                .iter()
                .filter(|(id, entry)| **id != keep && entry.cell.initialized())
                .min_by_key(|(_, entry)| entry.last_used)
                .map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            if let Some(entry) = entries.by_key.remove(&oldest) {
                held -= entry.bytes();
                tracing::debug!(snapshot.key = ?oldest, "dropped a dataset snapshot to stay within the memory budget");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K, T>> {
        // The map stays consistent whatever panicked: each critical section is a plain update.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Weighed> Entry<T> {
    fn fresh(revision: i64, previous: Option<Arc<T>>) -> Self {
        Self {
            revision,
            cell: Arc::new(OnceCell::new()),
            previous,
            last_used: 0,
            failed: None,
        }
    }

    fn bytes(&self) -> usize {
        self.cell.get().map_or(0, |value| value.bytes_in_memory())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lamina_types::DatasetId;

    use super::*;

    struct Block(usize);
    impl Weighed for Block {
        fn bytes_in_memory(&self) -> usize {
            self.0
        }
    }

    #[tokio::test]
    async fn concurrent_readers_share_one_load() {
        let cache = SnapshotCache::new(1000);
        let loads = AtomicUsize::new(0);
        let dataset = DatasetId::new();
        let read = || {
            cache.get(dataset, 1, |_| async {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(Block(10))
            })
        };
        let (a, b, c) = tokio::join!(read(), read(), read());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_least_recently_used_goes_first_and_a_new_revision_replaces_the_old() {
        let cache = SnapshotCache::new(25);
        let ids = [DatasetId::new(), DatasetId::new(), DatasetId::new()];
        for id in ids {
            cache.get(id, 1, |_| async { Ok(Block(10)) }).await.unwrap();
        }
        assert_eq!(cache.bytes_in_memory(), 20);
        let kept = cache
            .get(ids[1], 1, |_| async { Ok(Block(999)) })
            .await
            .unwrap();
        assert_eq!(kept.0, 10, "was still there");
        let newer = cache
            .get(ids[1], 2, |previous| async move {
                assert_eq!(previous.map(|old| old.0), Some(10), "what it replaces");
                Ok(Block(5))
            })
            .await
            .unwrap();
        assert_eq!(newer.0, 5);
        let stale = cache
            .get(ids[1], 1, |_| async { Ok(Block(7)) })
            .await
            .unwrap();
        assert_eq!(stale.0, 5, "an older revision never replaces a newer one");
    }

    #[tokio::test]
    async fn a_failed_load_is_remembered_for_a_while() {
        let cache = SnapshotCache::<DatasetId, Block>::new(25);
        let dataset = DatasetId::new();
        let loads = AtomicUsize::new(0);
        for _ in 0..2 {
            let answer = cache
                .get(dataset, 1, |_| async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Err(ExploreError::Unavailable("no disk".into()))
                })
                .await;
            assert!(answer.is_err());
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}
