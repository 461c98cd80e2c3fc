//! A catalog entry into an installed package.

use std::path::{Path, PathBuf};

use lamina_inference::{ModelManifest, ModelPackage, PackageFile};
use lamina_types::ContentHash;

use crate::catalog::{CatalogEntry, CatalogFile};
use crate::client::Hub;
use crate::error::HubError;
use crate::fetch::{Wanted, fetch};
use crate::install::Staging;
use crate::labels;
use crate::record::{PullRecord, RecordedFile};

/// Name of every manifest.
pub(crate) const MANIFEST: &str = "model.toml";

/// Where a pull is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The file that is being fetched.
    pub file: &'a str,
    /// Bytes of it that are there.
    pub done: u64,
    /// Its size, if that is known.
    pub total: Option<u64>,
}

/// One file of an installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledFile {
    /// Its name.
    pub path: String,
    /// Of its bytes.
    pub sha256: ContentHash,
    /// Its size.
    pub bytes: u64,
    /// Whether the catalog had pinned it. Otherwise this hash was recorded now, and is what later pulls must bring.
    pub was_pinned: bool,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// `name@version`.
    pub package: String,
    /// Where it lies.
    pub dir: PathBuf,
    /// The commit or tag, if it was pinned or the hub said it.
    pub revision: Option<String>,
    /// Its files from the hub.
    pub files: Vec<PulledFile>,
    /// Whether it was there already, whole; nothing was fetched then.
    pub was_there: bool,
}

/// Fetches, checks and installs a package below `models`. What is there and whole is left alone; what is there and damaged is fetched
/// anew, as its own record says.
///
/// # Errors
/// The hub, the disk, or bytes that are not what they should be: nothing is installed then.
pub fn pull(
    entry: &CatalogEntry,
    hub: &Hub,
    models: &Path,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Pulled, HubError> {
    let staging = Staging::open(models, entry.name())?;
    let installed = installed(entry, models);
    if let Some((dir, record)) = &installed
        && let Ok(package) = ModelPackage::open(dir)
    {
        return Ok(pulled(package.key().package, dir.clone(), record, true));
    }
    let earlier = installed.map(|(_, record)| record);
    let record = fetch_all(entry, hub, &staging, earlier.as_ref(), tell)?;
    let (package, folder) = match finish(entry, &staging, &record) {
        Ok(named) => named,
        Err(error) => {
            // Complete and of no use: going on with it would end here again.
            staging.clear()?;
            return Err(error);
        }
    };
    let dir = staging.install(&folder)?;
    Ok(pulled(package, dir, &record, false))
}

/// The package that this entry has become, whole or not.
fn installed(entry: &CatalogEntry, models: &Path) -> Option<(PathBuf, PullRecord)> {
    let prefix = format!("{}-", entry.name());
    let folders = fs_err::read_dir(models).ok()?;
    let paths = folders.filter_map(|folder| folder.ok().map(|folder| folder.path()));
    paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(&prefix)
        })
        .filter_map(|path| PullRecord::read(&path).map(|record| (path, record)))
        .find(|(_, record)| belongs(record, entry))
}

/// Whether a record is of what the entry says today.
fn belongs(record: &PullRecord, entry: &CatalogEntry) -> bool {
    let hub = entry.hub();
    let is_same = |file: &CatalogFile| {
        let known = record.file(file.name());
        known.is_some_and(|known| file.sha256.is_none_or(|pinned| pinned == known.sha256))
    };
    record.entry == entry.name()
        && record.repository == hub.repository
        && (hub.revision.is_none() || hub.revision == record.revision)
        && entry.files().iter().all(is_same)
}

fn fetch_all(
    entry: &CatalogEntry,
    hub: &Hub,
    staging: &Staging,
    earlier: Option<&PullRecord>,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<PullRecord, HubError> {
    let place = entry.hub();
    let fresh = PullRecord {
        entry: entry.name().to_owned(),
        repository: place.repository.clone(),
        revision: place
            .revision
            .clone()
            .or_else(|| earlier.and_then(|record| record.revision.clone())),
        files: Vec::new(),
    };
    // What a pull that was interrupted had already, if it was a pull of the same.
    let begun = PullRecord::read(staging.dir()).filter(|begun| {
        begun.repository == fresh.repository
            && (fresh.revision.is_none() || begun.revision == fresh.revision)
    });
    let mut record = begun.unwrap_or(fresh);
    for file in entry.files() {
        let name = file.name();
        let expected = expectation(file, earlier);
        if is_there(staging, &record, name) {
            continue;
        }
        record.files.retain(|known| known.path != name);
        let revision = record.revision.as_deref().unwrap_or("main");
        let url = place.kind.url(
            hub.base(place.kind),
            &place.repository,
            revision,
            &file.from,
        );
        let wanted = Wanted {
            url: &url,
            kind: place.kind,
            sha256: expected.map(|(hash, _, by)| (hash, by)),
            bytes: file
                .bytes
                .or_else(|| expected.and_then(|(_, bytes, _)| bytes)),
        };
        let mut say = |done, total| {
            tell(Progress {
                file: name,
                done,
                total,
            });
        };
        let fetched = fetch(hub, &wanted, staging.dir(), name, &mut say)?;
        // All further files come from the commit that the first one came from.
        record.revision = record.revision.or(fetched.commit);
        record.files.push(RecordedFile {
            path: name.to_owned(),
            sha256: fetched.sha256,
            bytes: fetched.bytes,
            was_pinned: file.sha256.is_some(),
        });
        record.write(staging.dir())?;
    }
    let order = |path: &str| entry.files().iter().position(|file| file.name() == path);
    record.files.retain(|file| order(&file.path).is_some());
    record.files.sort_by_key(|file| order(&file.path));
    Ok(record)
}

/// What a file must be, and who says so: the catalog, else the record of the first pull.
fn expectation(
    file: &CatalogFile,
    earlier: Option<&PullRecord>,
) -> Option<(ContentHash, Option<u64>, &'static str)> {
    if let Some(pinned) = file.sha256 {
        return Some((pinned, file.bytes, "as the catalog pins it"));
    }
    let known = earlier?.file(file.name())?;
    Some((
        known.sha256,
        Some(known.bytes),
        "as recorded at the first pull",
    ))
}

/// Whether an interrupted pull brought this file to its end. Its bytes are hashed once more when the package is opened.
fn is_there(staging: &Staging, record: &PullRecord, name: &str) -> bool {
    let size = fs_err::metadata(staging.dir().join(name)).map(|found| found.len());
    record
        .file(name)
        .is_some_and(|known| size.is_ok_and(|size| size == known.bytes))
}

/// Makes a package of the fetched files, and checks it as it will be checked at every use.
fn finish(
    entry: &CatalogEntry,
    staging: &Staging,
    record: &PullRecord,
) -> Result<(String, String), HubError> {
    let mut files: Vec<PackageFile> = Vec::new();
    for file in entry.files() {
        let known = record.file(file.name());
        files.extend(known.map(|known| PackageFile {
            path: known.path.clone(),
            role: file.role,
            sha256: known.sha256,
            bytes: known.bytes,
        }));
    }
    if let Some(names) = entry.labels() {
        fs_err::write(staging.dir().join(labels::FILE), names)?;
        files.push(labels::file(names));
    }
    let text = entry.manifest_text(&files)?;
    let manifest = ModelManifest::parse(&text)?;
    fs_err::write(staging.dir().join(MANIFEST), text)?;
    for name in [labels::FILE, MANIFEST] {
        let path = staging.dir().join(name);
        if path.exists() {
            fs_err::File::open(path)?.sync_all()?;
        }
    }
    record.write(staging.dir())?;
    ModelPackage::open(staging.dir())?;
    Ok((manifest.key().package, folder_of(&manifest)))
}

/// Name of the folder of an installed package: versions lie beside each other, so that what was made by an old one can still be
/// searched.
pub(crate) fn folder_of(manifest: &ModelManifest) -> String {
    format!("{}-{}", manifest.name, manifest.version)
}

fn pulled(package: String, dir: PathBuf, record: &PullRecord, was_there: bool) -> Pulled {
    let file = |file: &RecordedFile| PulledFile {
        path: file.path.clone(),
        sha256: file.sha256,
        bytes: file.bytes,
        was_pinned: file.was_pinned,
    };
    Pulled {
        package,
        dir,
        revision: record.revision.clone(),
        files: record.files.iter().map(file).collect(),
        was_there,
    }
}
