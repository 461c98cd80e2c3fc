//! Catalog entries: what a package will be made of, and where that lies.

use std::path::{Path, PathBuf};

use lamina_inference::{FileRole, ManifestError, ModelManifest, PackageFile};
use lamina_types::ContentHash;
use serde::Deserialize;

use crate::error::CatalogError;
use crate::labels;

/// Name of the file of every entry.
const FILE: &str = "catalog.toml";

/// Which shape the addresses of a hub have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubKind {
    /// `{base}/{repository}/resolve/{revision}/{file}`.
    #[default]
    HuggingFace,
    /// `{base}/{repository}/releases/download/{revision}/{file}`.
    GithubRelease,
}

impl HubKind {
    /// Where it is unless a mirror is named.
    pub const fn base(self) -> &'static str {
        match self {
            Self::HuggingFace => "https://huggingface.co",
            Self::GithubRelease => "https://github.com",
        }
    }

    /// Address of a file.
    pub fn url(self, base: &str, repository: &str, revision: &str, file: &str) -> String {
        let base = base.trim_end_matches('/');
        match self {
            Self::HuggingFace => format!("{base}/{repository}/resolve/{revision}/{file}"),
            Self::GithubRelease => {
                format!("{base}/{repository}/releases/download/{revision}/{file}")
            }
        }
    }
}

/// Where an entry's files lie.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubPlace {
    /// `owner/name`.
    pub repository: String,
    /// Commit or tag, where one was verified; else the hub's newest, recorded at the first pull.
    #[serde(default)]
    pub revision: Option<String>,
    /// Shape of the addresses.
    #[serde(default)]
    pub kind: HubKind,
    /// Which public code pins the same revision and hashes; needed for any of them.
    #[serde(default)]
    pub evidence: Option<String>,
}

/// One file of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogFile {
    /// Where in the repository.
    pub from: String,
    /// Its name in the package; the last part of `from` when absent.
    #[serde(default)]
    pub path: Option<String>,
    /// What it is for.
    pub role: FileRole,
    /// Of its bytes, where it was verified.
    #[serde(default)]
    pub sha256: Option<ContentHash>,
    /// Its size, where it was verified.
    #[serde(default)]
    pub bytes: Option<u64>,
}

impl CatalogFile {
    /// Its name in the package.
    pub fn name(&self) -> &str {
        let last = || self.from.rsplit('/').next().unwrap_or_default();
        self.path.as_deref().unwrap_or_else(last)
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    hub: HubPlace,
    files: Vec<CatalogFile>,
    /// About how large it is in all, for lists, where the sizes are not pinned.
    #[serde(default)]
    megabytes: Option<u64>,
    /// A list of names that this program brings along, written as `labels.txt`.
    #[serde(default)]
    labels: Option<String>,
    /// The manifest without its files.
    package: toml::Table,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogEntry {
    written: Written,
    labels: Option<&'static str>,
    name: String,
    version: String,
    licence: String,
    manifest: ModelManifest,
}

impl CatalogEntry {
    /// Reads the text of an entry; `path` is for messages.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(text: &str, path: &Path) -> Result<Self, CatalogError> {
        let written: Written = toml::from_str(text).map_err(|source| CatalogError::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let rule = |reason: String| CatalogError::Rule {
            path: path.to_owned(),
            reason,
        };
        check(&written).map_err(rule)?;
        let labels = match &written.labels {
            Some(name) => {
                let found = labels::named(name);
                Some(found.ok_or_else(|| rule(format!("there are no labels {name:?}")))?)
            }
            None => None,
        };
        // With hashes of nothing: shows that the real ones will make a manifest.
        let mut files: Vec<PackageFile> = written.files.iter().map(stand_in).collect();
        files.extend(labels.map(labels::file));
        let manifest = manifest_text(&written.package, None, &files);
        let manifest = manifest.and_then(|text| ModelManifest::parse(&text));
        let manifest = manifest.map_err(|source| CatalogError::Manifest {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            labels,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            licence: manifest.licence.clone(),
            manifest,
            written,
        })
    }

    /// Name of the package.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Licence of the weights (SPDX).
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// Where its files lie.
    pub const fn hub(&self) -> &HubPlace {
        &self.written.hub
    }

    /// Its files, without those that this program brings along.
    pub fn files(&self) -> &[CatalogFile] {
        &self.written.files
    }

    /// A manifest with this entry's sections and made-up files, for lists.
    pub const fn outline(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Whether every byte is known beforehand. Others are recorded at their first pull.
    pub fn is_pinned(&self) -> bool {
        let mut files = self.files().iter();
        self.hub().revision.is_some() && files.all(|file| file.sha256.is_some())
    }

    /// Size of all files, bytes: exact where sizes are pinned, else about.
    pub fn bytes(&self) -> Option<u64> {
        let sizes: Option<Vec<u64>> = self.files().iter().map(|file| file.bytes).collect();
        let exact = sizes.map(|sizes| sizes.iter().sum());
        exact.or_else(|| self.written.megabytes.map(|number| number * 1_000_000))
    }

    /// Names that belong into the package and come from this program.
    pub(crate) const fn labels(&self) -> Option<&'static str> {
        self.labels
    }

    /// The manifest of the package once its files are known. The version of a package that is not pinned ends with the beginning of
    /// its files' common hash, so that equal names mean equal bytes on every host.
    pub(crate) fn manifest_text(&self, files: &[PackageFile]) -> Result<String, ManifestError> {
        let version = if self.is_pinned() {
            self.version.clone()
        } else {
            format!("{}-{}", self.version, common_hash(files))
        };
        manifest_text(&self.written.package, Some(&version), files)
    }
}

/// The first eight digits of the SHA-256 over all files' names and hashes.
pub(crate) fn common_hash(files: &[PackageFile]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut all = Sha256::new();
    for file in files {
        all.update(file.path.as_bytes());
        all.update(b"\n");
        all.update(file.sha256.as_bytes());
    }
    hex::encode(all.finalize()).chars().take(8).collect()
}

fn stand_in(file: &CatalogFile) -> PackageFile {
    PackageFile {
        path: file.name().to_owned(),
        role: file.role,
        sha256: file.sha256.unwrap_or(ContentHash::from_bytes([0; 32])),
        bytes: file.bytes.unwrap_or_default(),
    }
}

/// The manifest as text: the entry's sections, with the files.
pub(crate) fn manifest_text(
    package: &toml::Table,
    version: Option<&str>,
    files: &[PackageFile],
) -> Result<String, ManifestError> {
    let mut table = package.clone();
    if let Some(version) = version {
        table.insert("version".to_owned(), version.into());
    }
    let mut list = Vec::with_capacity(files.len());
    for file in files {
        let mut row = toml::Table::new();
        row.insert("path".to_owned(), file.path.clone().into());
        row.insert("role".to_owned(), file.role.as_str().into());
        row.insert("sha256".to_owned(), file.sha256.to_hex().into());
        let bytes =
            i64::try_from(file.bytes).map_err(|_| ManifestError::OutOfRange("files.bytes"))?;
        row.insert("bytes".to_owned(), bytes.into());
        list.push(toml::Value::Table(row));
    }
    table.insert("files".to_owned(), toml::Value::Array(list));
    Ok(table.to_string())
}

/// The rules that types do not say.
fn check(written: &Written) -> Result<(), String> {
    let hub = &written.hub;
    let is_pinning =
        hub.revision.is_some() || written.files.iter().any(|file| file.sha256.is_some());
    if is_pinning && hub.evidence.as_deref().unwrap_or_default().is_empty() {
        return Err("revisions and hashes need hub.evidence: who else pins them".to_owned());
    }
    if hub.kind == HubKind::GithubRelease && hub.revision.is_none() {
        return Err("a release needs its tag as hub.revision".to_owned());
    }
    let is_plain = |text: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !text.is_empty() && !text.starts_with('.') && text.chars().all(allowed)
    };
    let parts = hub.repository.split('/');
    if parts.clone().count() != 2 || !parts.clone().all(is_plain) {
        return Err(format!("{:?} is not owner/name", hub.repository));
    }
    if hub
        .revision
        .as_deref()
        .is_some_and(|revision| !is_plain(revision))
    {
        return Err("hub.revision is no plain word".to_owned());
    }
    for file in &written.files {
        if !file.from.split('/').all(is_plain) {
            return Err(format!("{:?} is no path in a repository", file.from));
        }
    }
    if written.package.contains_key("files") {
        return Err("files do not belong into [package]".to_owned());
    }
    Ok(())
}

/// All entries of some folders.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: Vec<CatalogEntry>,
}

impl Catalog {
    /// Reads `*/catalog.toml` of each folder that there is; the first entry of a name counts.
    ///
    /// # Errors
    /// An entry that cannot be used.
    pub fn read(dirs: &[PathBuf]) -> Result<Self, CatalogError> {
        let mut entries: Vec<CatalogEntry> = Vec::new();
        for dir in dirs.iter().filter(|dir| dir.is_dir()) {
            for folder in fs_err::read_dir(dir)? {
                let path = folder?.path().join(FILE);
                if !path.is_file() {
                    continue;
                }
                let entry = CatalogEntry::parse(&fs_err::read_to_string(&path)?, &path)?;
                if entries.iter().all(|known| known.name != entry.name) {
                    entries.push(entry);
                }
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { entries })
    }

    /// All entries, by name.
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.entries
    }

    /// The entry of this name.
    pub fn find(&self, name: &str) -> Option<&CatalogEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}
