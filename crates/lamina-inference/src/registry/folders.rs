//! The packages on disk: where they lie, what they say about themselves, whether every file is as its manifest pins it.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::manifest::{Family, ModelManifest};
use crate::package::{MANIFEST, ModelPackage, PackageError, read_manifest};

/// One package that lies in a folder of packages.
#[derive(Debug, Clone)]
pub struct PackageState {
    /// `name@version`, or the name of the folder when its manifest cannot be read.
    pub package: String,
    /// Where it lies.
    pub dir: PathBuf,
    /// What it says about itself, when that can be read.
    pub manifest: Option<Arc<ModelManifest>>,
    /// Why it is not used; `None` when every file is as the manifest says.
    pub problem: Option<Arc<PackageError>>,
}

impl PackageState {
    /// Whether every file is as the manifest says.
    pub const fn is_verified(&self) -> bool {
        self.problem.is_none()
    }

    /// How its graphs are used.
    pub fn family(&self) -> Option<Family> {
        self.manifest.as_ref().map(|manifest| manifest.family)
    }

    /// Size of all its files, bytes.
    pub fn bytes(&self) -> u64 {
        let files = self.manifest.iter().flat_map(|manifest| &manifest.files);
        files.map(|file| file.bytes).sum()
    }
}

/// Folders of model packages. Looks at the disk whenever it is asked, but hashes a file only when its size or one of its times has
/// changed since the last look. A cheap handle.
#[derive(Debug, Clone)]
pub struct PackageFolders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dirs: Vec<PathBuf>,
    known: Mutex<HashMap<PathBuf, Arc<Known>>>,
    /// Where each package was found last, and when.
    found: Mutex<HashMap<String, (PathBuf, Instant)>>,
}

/// A search asks several times what a package says about itself, and listing all folders takes a tenth of a millisecond: for so long a package
/// is taken from where it was found, unless its manifest has changed since.
const FOUND_LATELY: Duration = Duration::from_secs(1);

/// What is remembered of one folder. Two locks, so that nobody waits for the hashing of gigabytes to read a manifest.
#[derive(Debug, Default)]
struct Known {
    manifest: Mutex<Option<(Stamp, Read)>>,
    checked: Mutex<Option<(Vec<Stamp>, Opened)>>,
}

type Read = Result<Arc<ModelManifest>, Arc<PackageError>>;
type Opened = Result<Arc<ModelPackage>, Arc<PackageError>>;

/// Changes whenever the file does: length, place, and both times with nanoseconds; `None` for a file that is not there.
type Stamp = Option<[i64; 6]>;

fn stamp(path: &Path) -> Stamp {
    let found = std::fs::symlink_metadata(path).ok()?;
    Some([
        found.size().cast_signed(),
        found.ino().cast_signed(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ])
}

impl PackageFolders {
    /// Packages are looked for in these folders; the first that has a package counts.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        let (known, found) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { dirs, known, found }))
    }

    /// The folders, first match wins.
    pub fn dirs(&self) -> &[PathBuf] {
        &self.0.dirs
    }

    /// Everything that lies there, by name. Reads and hashes what it has not seen before: blocks, about a second for each gigabyte.
    pub fn packages(&self) -> Vec<PackageState> {
        let mut found: BTreeMap<String, PackageState> = BTreeMap::new();
        for (dir, manifest) in self.manifests() {
            let state = match manifest {
                Ok(manifest) => PackageState {
                    package: manifest.key().package,
                    manifest: Some(manifest),
                    problem: self.check(&dir).err(),
                    dir,
                },
                Err(problem) => PackageState {
                    package: folder_name(&dir),
                    manifest: None,
                    problem: Some(problem),
                    dir,
                },
            };
            found.entry(state.package.clone()).or_insert(state);
        }
        found.into_values().collect()
    }

    /// What a package says about itself, by `name@version`. Hashes nothing.
    pub fn manifest(&self, package: &str) -> Option<Arc<ModelManifest>> {
        if let Some(manifest) = self.found_lately(package) {
            return Some(manifest);
        }
        let (dir, manifest) = self.find(package)?;
        let now = (dir, Instant::now());
        lock(&self.0.found).insert(package.to_owned(), now);
        Some(manifest)
    }

    fn found_lately(&self, package: &str) -> Option<Arc<ModelManifest>> {
        let (dir, at) = lock(&self.0.found).get(package).cloned()?;
        if at.elapsed() > FOUND_LATELY {
            return None;
        }
        let manifest = self.read(&dir).ok()?;
        (manifest.key().package == package).then_some(manifest)
    }

    /// The full name of the package that an operator means by `name@version`, by `name` alone when there is one version of it, or
    /// by the name of its folder. Hashes nothing.
    pub fn resolve(&self, text: &str) -> Option<String> {
        let all: Vec<(PathBuf, String)> = self
            .readable()
            .map(|(dir, manifest)| (dir, manifest.key().package))
            .collect();
        let by_name = || {
            let prefix = format!("{text}@");
            let mut named = all.iter().filter(|(_, name)| name.starts_with(&prefix));
            let first = named.next()?;
            named.all(|(_, name)| *name == first.1).then_some(first)
        };
        let exact = all.iter().find(|(_, name)| name == text);
        let by_folder = || all.iter().find(|(dir, _)| folder_name(dir) == text);
        let found = exact.or_else(by_name).or_else(by_folder);
        found.map(|(_, name)| name.clone())
    }

    /// The package by `name@version`, every file of it checked. Blocks as [`Self::packages`] when it was not looked at before.
    ///
    /// # Errors
    /// The outer `None`: there is no such package. The inner error: it is not as its manifest says.
    pub fn open(&self, package: &str) -> Option<Opened> {
        let (dir, _) = self.find(package)?;
        Some(self.check(&dir))
    }

    fn find(&self, package: &str) -> Option<(PathBuf, Arc<ModelManifest>)> {
        self.readable()
            .find(|(_, manifest)| manifest.key().package == package)
    }

    fn readable(&self) -> impl Iterator<Item = (PathBuf, Arc<ModelManifest>)> {
        let readable = |(dir, manifest): (PathBuf, Result<_, _>)| Some((dir, manifest.ok()?));
        self.manifests().into_iter().filter_map(readable)
    }

    /// Every folder with a manifest: folder by folder as configured, inside each by name.
    fn manifests(&self) -> Vec<(PathBuf, Read)> {
        let mut found = Vec::new();
        for dir in &self.0.dirs {
            let Ok(entries) = fs_err::read_dir(dir) else {
                continue;
            };
            let mut folders: Vec<PathBuf> = entries
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                // Hidden ones are downloads that have not ended.
                .filter(|path| !folder_name(path).starts_with('.'))
                .filter(|path| path.join(MANIFEST).is_file())
                .collect();
            folders.sort();
            for folder in folders {
                let manifest = self.read(&folder);
                found.push((folder, manifest));
            }
        }
        found
    }

    fn read(&self, dir: &Path) -> Read {
        let known = self.known(dir);
        let mut seen = lock(&known.manifest);
        let now = stamp(&dir.join(MANIFEST));
        if let Some((then, manifest)) = &*seen
            && *then == now
        {
            return manifest.clone();
        }
        let manifest = read_manifest(dir).map(Arc::new).map_err(Arc::new);
        *seen = Some((now, manifest.clone()));
        manifest
    }

    /// Opens a folder unless nothing in it changed since it was opened last. Two callers at once: the second waits for the first.
    fn check(&self, dir: &Path) -> Opened {
        let manifest = self.read(dir)?;
        let known = self.known(dir);
        let mut seen = lock(&known.checked);
        let names = manifest.files.iter().map(|file| file.path.as_str());
        let paths = [MANIFEST].into_iter().chain(names);
        // Before reading: what changes while it is read has another stamp at the next look.
        let now: Vec<Stamp> = paths.map(|name| stamp(&dir.join(name))).collect();
        if let Some((then, checked)) = &*seen
            && *then == now
        {
            return checked.clone();
        }
        let opened = ModelPackage::open(dir).map(Arc::new).map_err(Arc::new);
        *seen = Some((now, opened.clone()));
        opened
    }

    fn known(&self, dir: &Path) -> Arc<Known> {
        let mut known = lock(&self.0.known);
        Arc::clone(known.entry(dir.to_owned()).or_default())
    }
}

fn folder_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each critical section leaves a whole value behind, whatever panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiny() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/tiny-dual-encoder")
    }

    fn copy(to: &Path) {
        fs_err::create_dir_all(to).unwrap();
        for entry in fs_err::read_dir(tiny()).unwrap() {
            let from = entry.unwrap().path();
            if from.is_file() {
                fs_err::copy(&from, to.join(from.file_name().unwrap())).unwrap();
            }
        }
    }

    #[test]
    fn packages_are_found_by_name_and_folder_and_the_first_folder_wins() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("a"), root.path().join("b"));
        copy(&first.join("mine"));
        copy(&second.join("theirs"));
        copy(&second.join(".half-a-download"));
        let folders = PackageFolders::new(vec![root.path().join("missing"), first.clone(), second]);
        let all = folders.packages();
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].is_verified() && all[0].dir == first.join("mine"));
        for name in ["tiny-dual-encoder@1", "tiny-dual-encoder", "mine", "theirs"] {
            let found = folders.resolve(name);
            assert_eq!(found.as_deref(), Some("tiny-dual-encoder@1"), "{name}");
        }
        assert_eq!(folders.resolve("tiny-dual-encoder@2"), None);
        assert_eq!(folders.resolve("tiny"), None);
    }

    #[test]
    fn a_name_with_two_versions_is_ambiguous() {
        let root = tempfile::tempdir().unwrap();
        copy(&root.path().join("one"));
        copy(&root.path().join("two"));
        let path = root.path().join("two/model.toml");
        let text = fs_err::read_to_string(&path).unwrap();
        fs_err::write(
            &path,
            text.replacen("version = \"1\"", "version = \"2\"", 1),
        )
        .unwrap();
        let folders = PackageFolders::new(vec![root.path().to_owned()]);
        assert_eq!(folders.resolve("tiny-dual-encoder"), None);
        let newer = folders.resolve("tiny-dual-encoder@2");
        assert_eq!(newer.as_deref(), Some("tiny-dual-encoder@2"));
        // Both are told apart where they were found, and one that becomes the other is not itself any more.
        for (version, is_there) in [("1", true), ("2", true), ("3", false)] {
            let found = folders.manifest(&format!("tiny-dual-encoder@{version}"));
            assert_eq!(
                found.map(|found| found.version.clone()),
                is_there.then(|| version.to_owned())
            );
        }
        fs_err::write(&path, &text).unwrap();
        assert!(folders.manifest("tiny-dual-encoder@2").is_none());
    }

    #[test]
    fn files_are_hashed_once_and_again_after_a_change() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("mine");
        copy(&dir);
        let folders = PackageFolders::new(vec![root.path().to_owned()]);
        let name = "tiny-dual-encoder@1";
        let first = folders.open(name).unwrap().unwrap();
        let again = folders.open(name).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again), "opened twice");

        let path = dir.join("vision_model.onnx");
        let good = fs_err::read(&path).unwrap();
        let mut bad = good.clone();
        bad[3000] ^= 1;
        fs_err::write(&path, &bad).unwrap();
        let refused = folders.open(name).unwrap().unwrap_err();
        assert!(matches!(*refused, PackageError::Hash { .. }), "{refused:?}");
        assert!(!folders.packages()[0].is_verified());

        fs_err::write(&path, good).unwrap();
        assert!(folders.open(name).unwrap().is_ok());
        fs_err::remove_file(&path).unwrap();
        assert!(folders.open(name).unwrap().is_err());
        assert!(folders.manifest(name).is_some());
        fs_err::remove_file(dir.join(MANIFEST)).unwrap();
        assert!(folders.open(name).is_none() && folders.packages().is_empty());
        assert!(folders.manifest(name).is_none(), "found where it was");
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_listed_with_its_reason() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("broken");
        fs_err::create_dir_all(&dir).unwrap();
        fs_err::write(dir.join(MANIFEST), "name = 1").unwrap();
        let all = PackageFolders::new(vec![root.path().to_owned()]).packages();
        assert_eq!((all.len(), all[0].package.as_str()), (1, "broken"));
        assert!(all[0].problem.is_some() && all[0].manifest.is_none());
    }
}
