//! Snapshots in memory: one load at a time per dataset, a byte budget, the least recently used goes first.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lamina_types::DatasetId;
use tokio::sync::OnceCell;

use crate::ExploreError;

/// How long a failed load is remembered, so that a broken dataset does not load in a tight loop.
const FAILURE_MEMORY: Duration = Duration::from_secs(2);

/// Something that knows how much memory it holds.
pub trait Weighed {
    /// Bytes held.
    fn bytes_in_memory(&self) -> usize;
}

/// Values per dataset and revision.
#[derive(Debug)]
pub struct SnapshotCache<T> {
    budget_bytes: usize,
    entries: Mutex<Entries<T>>,
}

#[derive(Debug)]
struct Entries<T> {
    clock: u64,
    by_dataset: HashMap<DatasetId, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    revision: i64,
    cell: Arc<OnceCell<Arc<T>>>,
    last_used: u64,
    failed: Option<(Instant, String)>,
}

impl<T: Weighed> SnapshotCache<T> {
    /// An empty cache that keeps at most about `budget_bytes`; the value asked for last always stays.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            entries: Mutex::new(Entries {
                clock: 0,
                by_dataset: HashMap::new(),
            }),
        }
    }

    /// The value of `dataset` at `revision`, loaded by `load` when it is not there. Concurrent callers share one load.
    ///
    /// # Errors
    /// What `load` says, or [`ExploreError::Unavailable`] within two seconds of a failed load.
    pub async fn get<F, Fut>(
        &self,
        dataset: DatasetId,
        revision: i64,
        load: F,
    ) -> Result<Arc<T>, ExploreError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, ExploreError>>,
    {
        let cell = self.cell(dataset, revision)?;
        match cell
            .get_or_try_init(|| async { load().await.map(Arc::new) })
            .await
        {
            Ok(value) => {
                let value = Arc::clone(value);
                self.evict(dataset);
                Ok(value)
            }
            Err(error) => {
                if let Some(entry) = self.lock().by_dataset.get_mut(&dataset) {
                    entry.failed = Some((Instant::now(), error.to_string()));
                }
                Err(error)
            }
        }
    }

    /// Bytes held by loaded values.
    pub fn bytes_in_memory(&self) -> usize {
        self.lock().by_dataset.values().map(Entry::bytes).sum()
    }

    fn cell(
        &self,
        dataset: DatasetId,
        revision: i64,
    ) -> Result<Arc<OnceCell<Arc<T>>>, ExploreError> {
        let mut entries = self.lock();
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries
            .by_dataset
            .entry(dataset)
            .or_insert_with(|| Entry::fresh(revision));
        // A reader that read its row before the last change must not throw the newer snapshot away.
        if entry.revision < revision {
            *entry = Entry::fresh(revision);
        }
        entry.last_used = now;
        match &entry.failed {
            Some((at, reason)) if at.elapsed() < FAILURE_MEMORY => {
                Err(ExploreError::Unavailable(reason.clone()))
            }
            Some(_) | None => Ok(Arc::clone(&entry.cell)),
        }
    }

    fn evict(&self, keep: DatasetId) {
        let mut entries = self.lock();
        let mut held: usize = entries.by_dataset.values().map(Entry::bytes).sum();
        while held > self.budget_bytes {
            let oldest = entries
                .by_dataset
                .iter()
                .filter(|(id, entry)| **id != keep && entry.cell.initialized())
                .min_by_key(|(_, entry)| entry.last_used)
                .map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            if let Some(entry) = entries.by_dataset.remove(&oldest) {
                held -= entry.bytes();
                tracing::debug!(dataset.id = %oldest, "dropped a dataset snapshot to stay within the memory budget");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        // The map stays consistent whatever panicked: each critical section is a plain update.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Weighed> Entry<T> {
    fn fresh(revision: i64) -> Self {
        Self {
            revision,
            cell: Arc::new(OnceCell::new()),
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
            cache.get(dataset, 1, || async {
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
            cache.get(id, 1, || async { Ok(Block(10)) }).await.unwrap();
        }
        assert_eq!(cache.bytes_in_memory(), 20);
        let kept = cache
            .get(ids[1], 1, || async { Ok(Block(999)) })
            .await
            .unwrap();
        assert_eq!(kept.0, 10, "was still there");
        let newer = cache
            .get(ids[1], 2, || async { Ok(Block(5)) })
            .await
            .unwrap();
        assert_eq!(newer.0, 5);
        let stale = cache
            .get(ids[1], 1, || async { Ok(Block(7)) })
            .await
            .unwrap();
        assert_eq!(stale.0, 5, "an older revision never replaces a newer one");
    }

    #[tokio::test]
    async fn a_failed_load_is_remembered_for_a_while() {
        let cache = SnapshotCache::<Block>::new(25);
        let dataset = DatasetId::new();
        let loads = AtomicUsize::new(0);
        for _ in 0..2 {
            let answer = cache
                .get(dataset, 1, || async {
                    loads.fetch_add(1, Ordering::SeqCst);
                    Err(ExploreError::Unavailable("no disk".into()))
                })
                .await;
            assert!(answer.is_err());
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }
}
