//! Vectors of texts that were searched for lately: the pages of one search ask for the same text again and again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lamina_types::{Embedding, SpaceKey};

use crate::ExploreError;

/// Texts kept; about 4 kB each at most, and few enough to look through.
const CAPACITY: usize = 128;

/// Longest text that is kept, in bytes.
const LONGEST_KEPT: usize = 1024;

/// The vectors kept, the one asked for last at the end.
#[derive(Debug, Default)]
pub(crate) struct TextVectors(Mutex<VecDeque<Entry>>);

#[derive(Debug)]
struct Entry {
    key: SpaceKey,
    text: String,
    vector: Arc<[f32]>,
}

impl TextVectors {
    /// The vector of a text in a space, from memory or from the model.
    pub(crate) async fn vector<F, Fut>(
        &self,
        key: &SpaceKey,
        text: &str,
        embed: F,
    ) -> Result<Arc<[f32]>, ExploreError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Embedding, ExploreError>>,
    {
        if let Some(known) = self.take(key, text) {
            return Ok(known);
        }
        let vector: Arc<[f32]> = embed().await?.into_vec().into();
        self.keep(key, text, &vector);
        Ok(vector)
    }

    fn take(&self, key: &SpaceKey, text: &str) -> Option<Arc<[f32]>> {
        let mut entries = self.lock();
        let place = entries
            .iter()
            .position(|entry| entry.text == text && entry.key == *key)?;
        let entry = entries.remove(place)?;
        let vector = Arc::clone(&entry.vector);
        entries.push_back(entry);
        Some(vector)
    }

    fn keep(&self, key: &SpaceKey, text: &str, vector: &Arc<[f32]>) {
        if text.len() > LONGEST_KEPT {
            return;
        }
        let mut entries = self.lock();
        entries.push_back(Entry {
            key: key.clone(),
            text: text.to_owned(),
            vector: Arc::clone(vector),
        });
        if entries.len() > CAPACITY {
            entries.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        // Whatever panicked, the list is whole: each critical section is a plain update.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_asked_for_longest_ago_goes_first() {
        let key = SpaceKey {
            package: "encoder@1".to_owned(),
            parameters: String::new(),
        };
        let texts = TextVectors::default();
        let vector: Arc<[f32]> = vec![1.0].into();
        for number in 0..CAPACITY {
            texts.keep(&key, &number.to_string(), &vector);
        }
        assert!(texts.take(&key, "0").is_some());
        texts.keep(&key, "one more", &vector);
        texts.keep(&key, &"long ".repeat(LONGEST_KEPT), &vector);
        assert!(texts.take(&key, "0").is_some() && texts.take(&key, "one more").is_some());
        assert!(texts.take(&key, "1").is_none(), "the oldest made room");
        assert_eq!(texts.lock().len(), CAPACITY);
    }
}
