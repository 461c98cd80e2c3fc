//! The whole way through each source: a real folder, a real list, a real archive.

use std::path::{Path, PathBuf};

use lamina_types::RejectReason;
use tempfile::TempDir;

use super::{FetchError, ListedItem, MediaSource};

mod archive;
mod archive_hostile;
mod file_list;
mod folder;
mod raw_zip;

/// A folder that may be read, `allowed`, beside one that may not, `outside`, with one file in it.
struct Place {
    // Removes everything when dropped.
    _all: TempDir,
    allowed: PathBuf,
    outside: PathBuf,
}

const SECRET: &[u8] = b"nobody may read this";

impl Place {
    fn new() -> Self {
        let all = tempfile::tempdir().unwrap();
        let (allowed, outside) = (all.path().join("allowed"), all.path().join("outside"));
        for folder in [&allowed, &outside] {
            fs_err::create_dir(folder).unwrap();
        }
        fs_err::write(outside.join("secret.jpg"), SECRET).unwrap();
        Self {
            _all: all,
            allowed,
            outside,
        }
    }

    fn roots(&self) -> Vec<PathBuf> {
        vec![self.allowed.clone()]
    }

    /// Writes a file below `allowed`, and the folders above it.
    fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.allowed.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, bytes).unwrap();
        path
    }
}

const MANY_BYTES: u64 = 200_000_000;

fn list(source: &dyn MediaSource) -> Vec<ListedItem> {
    source.list(&|| false).unwrap()
}

fn uris(items: &[ListedItem]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item.original_uri.as_str())
        .collect()
}

fn reason(item: &ListedItem) -> Option<RejectReason> {
    item.rejection.as_ref().map(|rejection| rejection.reason)
}

fn named<'a>(items: &'a [ListedItem], uri: &str) -> &'a ListedItem {
    let found = items.iter().find(|item| item.original_uri == uri);
    found.unwrap_or_else(|| panic!("{uri} is not among {:?}", uris(items)))
}

fn bytes(source: &dyn MediaSource, item: &ListedItem) -> Vec<u8> {
    source
        .fetch(&item.source_key, MANY_BYTES)
        .unwrap()
        .bytes
        .to_vec()
}

/// The reason for which a fetch is refused for good.
fn refusal(source: &dyn MediaSource, key: &str) -> RejectReason {
    match source.fetch(key, MANY_BYTES) {
        Err(FetchError::Rejected(rejection)) => rejection.reason,
        other => panic!("{key}: {other:?}"),
    }
}

/// What every listing of every source promises.
fn assert_fit_to_store(items: &[ListedItem]) {
    let mut keys: Vec<_> = items.iter().map(|item| &item.source_key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), items.len(), "keys repeat");
    for item in items {
        assert!(item.source_key.len() <= 2_000 && !item.source_key.is_empty());
        assert!(!item.file_name.is_empty() && item.file_name.chars().count() <= 255);
        assert!(item.original_uri.chars().count() <= 4_096);
        for text in [&item.source_key, &item.file_name, &item.original_uri] {
            assert!(!text.contains(|c: char| c.is_ascii_control()), "{text:?}");
        }
    }
}
