//! What pages show of pictures and nothing searches by, kept by ordinal, so that a page of answers asks Postgres for no picture:
//! looking up some hundred rows there takes longer than most searches.
//!
//! It is read in the background once somebody has seen a page, which takes seconds for a million pictures; until then, and
//! where it cannot be kept, pages come from Postgres.

mod files;
mod reading;
mod records;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lamina_store::shown::ShownPicture;
use tokio::sync::OnceCell;

use self::files::Files;
use self::records::Records;

/// The place of a snapshot for what its pages show.
#[derive(Debug, Default)]
pub(crate) struct ShownPictures {
    /// Shared with later snapshots of the same pictures.
    files: Arc<OnceCell<Files>>,
    /// The captions of those that have one.
    captions: OnceCell<Records>,
    is_asked_for: AtomicBool,
}

impl ShownPictures {
    /// The same pictures with captions that are yet to be read.
    pub(crate) fn renewed(&self) -> Self {
        Self {
            files: Arc::clone(&self.files),
            ..Self::default()
        }
    }

    /// True the first time: whoever asks has it read.
    pub(crate) fn is_first_asked(&self) -> bool {
        !self.is_asked_for.swap(true, Ordering::Relaxed)
    }

    /// These pictures, by ordinal, without those that came later; `None` until everything was read. Not for an async thread: files
    /// may have to be read.
    pub(crate) fn pictures(&self, ordinals: &[u32]) -> Option<HashMap<u32, ShownPicture>> {
        let (files, captions) = self.files.get().zip(self.captions.get())?;
        let picture = |ordinal: &u32| {
            let caption = captions.get(*ordinal);
            let picture = ShownPicture {
                file: files.get(*ordinal)?,
                caption: caption.and_then(|text| String::from_utf8(text.to_vec()).ok()),
            };
            Some((*ordinal, picture))
        };
        Some(ordinals.iter().filter_map(picture).collect())
    }

    /// Bytes held, without those of mapped files.
    pub(crate) fn bytes_in_memory(&self) -> usize {
        let files = self.files.get().map_or(0, Files::bytes_in_memory);
        let captions = self.captions.get();
        files + captions.map_or(0, Records::bytes_in_memory)
    }
}
