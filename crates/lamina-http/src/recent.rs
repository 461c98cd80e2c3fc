//! Media that were served lately, so that pictures stay visible while the database is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lamina_store::media::Media;
use lamina_types::MediaId;

/// How long an entry may stand in for the database. A link that was revoked meanwhile lives on at most this long, and only
/// during an outage.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Entries of one generation; two are kept, some 10 MB in all.
const CAPACITY: usize = 10_000;

/// A media item and the link epoch of its dataset, as last seen in the database.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) media: Media,
    pub(crate) epoch: i32,
}

/// The latest entries. When the young generation is full it becomes the old one, whose entries are forgotten.
#[derive(Debug, Default)]
pub(crate) struct RecentMedia(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<MediaId, (Instant, Seen)>,
    old: HashMap<MediaId, (Instant, Seen)>,
}

impl RecentMedia {
    /// Remembers what the database said.
    pub(crate) fn put(&self, seen: Seen) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= CAPACITY {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations
            .young
            .insert(seen.media.id, (Instant::now(), seen));
    }

    /// What the database said lately, for when it says nothing.
    pub(crate) fn get(&self, id: MediaId) -> Option<Seen> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = generations
            .young
            .get(&id)
            .or_else(|| generations.old.get(&id));
        found
            .filter(|(when, _)| when.elapsed() < LIFE)
            .map(|(_, seen)| seen.clone())
    }
}
