//! Media that were served lately, so that pictures stay visible while the database is away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lamina_store::media::Media;
use lamina_types::BoundingBox;
use uuid::Uuid;

/// How long an entry may stand in for the database. A link that was revoked meanwhile lives on at most this long, and only
/// during an outage.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// Entries of one generation; two are kept, some 10 MB in all.
const CAPACITY: usize = 10_000;

/// A media item and the link epoch of its dataset, as last seen in the database; for an object, its picture and where on it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) media: Media,
    pub(crate) region: Option<Region>,
    pub(crate) epoch: i32,
}

/// A part of a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub(crate) id: i64,
    pub(crate) area: BoundingBox,
}

/// The latest entries. When the young generation is full it becomes the old one, whose entries are forgotten.
#[derive(Debug, Default)]
pub(crate) struct RecentMedia(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Uuid, (Instant, Seen)>,
    old: HashMap<Uuid, (Instant, Seen)>,
}

impl RecentMedia {
    /// Remembers what the database said.
    pub(crate) fn put(&self, item: Uuid, seen: Seen) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.young.len() >= CAPACITY {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(item, (Instant::now(), seen));
    }

    /// What the database said lately, for when it says nothing.
    pub(crate) fn get(&self, item: Uuid) -> Option<Seen> {
        let generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = generations
            .young
            .get(&item)
            .or_else(|| generations.old.get(&item));
        found
            .filter(|(when, _)| when.elapsed() < LIFE)
            .map(|(_, seen)| seen.clone())
    }
}
