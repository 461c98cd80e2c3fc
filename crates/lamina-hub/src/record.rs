//! `pulled.toml`: where an installed package came from, and what it was when it came.

use std::path::Path;

use lamina_types::ContentHash;
use serde::{Deserialize, Serialize};

/// Name of the file in packages and staging folders.
pub(crate) const FILE: &str = "pulled.toml";

/// The record of a pull. In a staging folder it grows with every file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRecord {
    /// Name of the catalog entry.
    pub entry: String,
    /// `owner/name`.
    pub repository: String,
    /// The commit or tag, if it was pinned or the hub said it.
    #[serde(default)]
    pub revision: Option<String>,
    /// Every file from the hub.
    #[serde(default)]
    pub files: Vec<RecordedFile>,
}

/// One file of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedFile {
    /// Its name in the package.
    pub path: String,
    /// Of its bytes.
    pub sha256: ContentHash,
    /// Its size.
    pub bytes: u64,
    /// Whether the catalog had pinned it; else this record does from now on.
    pub was_pinned: bool,
}

impl PullRecord {
    /// The record in a folder; `None` where there is none that can be read.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs_err::read_to_string(folder.join(FILE)).ok()?;
        toml::from_str(&text).ok()
    }

    /// Writes it in one step.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = toml::to_string(self).map_err(std::io::Error::other)?;
        let temporary = folder.join(format!("{FILE}.new"));
        fs_err::write(&temporary, text)?;
        fs_err::File::open(&temporary)?.sync_all()?;
        fs_err::rename(temporary, folder.join(FILE))
    }

    /// What is known of a file.
    pub(crate) fn file(&self, path: &str) -> Option<&RecordedFile> {
        self.files.iter().find(|file| file.path == path)
    }
}
