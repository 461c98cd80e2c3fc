//! A model package on disk: a folder with `model.toml` and exactly the files it pins.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lamina_types::{ContentHash, SpaceKey};
use sha2::{Digest, Sha256};

use crate::manifest::{FileRole, ManifestError, ModelManifest, PackageFile};
use crate::onnx::{OnnxError, external_locations};
use crate::tagger::ThresholdsError;

/// Name of the manifest in every package.
pub(crate) const MANIFEST: &str = "model.toml";
/// Largest manifest.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// A package that is not used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A file is missing or cannot be read. The message of the source names it.
    #[error("a file of the model package cannot be read")]
    Read(#[from] std::io::Error),
    /// A link, folder, pipe or device in the place of a file.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// The manifest is not acceptable.
    #[error("{} is not acceptable", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ManifestError>,
    },
    /// A file of another size than the manifest pins: usually a download that was cut off.
    #[error("{} has {found} bytes, the manifest says {expected}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The pinned size.
        expected: u64,
    },
    /// A file of other content than the manifest pins.
    #[error("{} has SHA-256 {found}, the manifest says {expected}", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// Of its bytes.
        found: ContentHash,
        /// The pinned one.
        expected: ContentHash,
    },
    /// A text file that is not UTF-8.
    #[error("{} is not UTF-8 text", .0.display())]
    NotText(PathBuf, #[source] std::str::Utf8Error),
    /// A thresholds file that does not fit the labels.
    #[error("{} is not acceptable", path.display())]
    Thresholds {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ThresholdsError,
    },
    /// A graph file that is no ONNX model.
    #[error("{} is not acceptable", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: OnnxError,
    },
    /// A graph refers to a file that the manifest does not pin.
    #[error("{} refers to {location:?}, which is no external-data file of the manifest", path.display())]
    External {
        /// The graph file.
        path: PathBuf,
        /// What it refers to.
        location: String,
    },
}

/// A package whose files were all checked against its manifest.
#[derive(Debug, Clone)]
pub struct ModelPackage {
    dir: PathBuf,
    manifest: ModelManifest,
}

/// A graph and what it refers to, as bytes that were checked: the runtime never opens a file of a package itself, so what was
/// hashed is what runs.
pub(crate) struct GraphBytes {
    pub(crate) model: Vec<u8>,
    pub(crate) external: BTreeMap<String, Arc<[u8]>>,
}

impl ModelPackage {
    /// Reads the manifest of a folder and checks every file it names: a regular file and no link, its size, its SHA-256, and that
    /// graphs refer to pinned files only. The folder may have any name, and other files, which are never read.
    ///
    /// Reads all weights once: takes a second or so for each gigabyte.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn open(dir: &Path) -> Result<Self, PackageError> {
        let package = Self {
            dir: dir.to_owned(),
            manifest: read_manifest(dir)?,
        };
        for file in &package.manifest.files {
            let bytes = package.read(file)?;
            if file.role.is_graph() {
                package.external_files(file, &bytes)?;
            }
        }
        Ok(package)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it says about itself.
    pub const fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Name of the space of its vectors.
    pub fn key(&self) -> SpaceKey {
        self.manifest.key()
    }

    /// The bytes of a file, checked again: the folder may have changed since [`Self::open`].
    pub(crate) fn read(&self, file: &PackageFile) -> Result<Vec<u8>, PackageError> {
        let path = self.dir.join(&file.path);
        let bytes = read_regular(&path, Length::Exactly(file.bytes))?;
        let found = ContentHash::from_bytes(Sha256::digest(&bytes).into());
        if found == file.sha256 {
            Ok(bytes)
        } else {
            Err(PackageError::Hash {
                path,
                found,
                expected: file.sha256,
            })
        }
    }

    /// A graph with all its external data.
    pub(crate) fn graph(&self, file: &PackageFile) -> Result<GraphBytes, PackageError> {
        let model = self.read(file)?;
        let mut external = BTreeMap::new();
        for outside in self.external_files(file, &model)? {
            external.insert(outside.path.clone(), self.read(outside)?.into());
        }
        Ok(GraphBytes { model, external })
    }

    fn external_files(
        &self,
        graph: &PackageFile,
        bytes: &[u8],
    ) -> Result<Vec<&PackageFile>, PackageError> {
        let path = || self.dir.join(&graph.path);
        let locations = external_locations(bytes).map_err(|source| PackageError::Graph {
            path: path(),
            source,
        })?;
        locations
            .into_iter()
            .map(|location| {
                let known = |file: &&PackageFile| {
                    file.role == FileRole::ExternalData && file.path == location
                };
                self.manifest
                    .files
                    .iter()
                    .find(known)
                    .ok_or_else(|| PackageError::External {
                        path: path(),
                        location: location.clone(),
                    })
            })
            .collect()
    }
}

/// Reads the manifest of a folder and nothing else of it.
pub(crate) fn read_manifest(dir: &Path) -> Result<ModelManifest, PackageError> {
    let path = dir.join(MANIFEST);
    let bytes = read_regular(&path, Length::AtMost(MAX_MANIFEST_BYTES))?;
    let text = String::from_utf8_lossy(&bytes);
    ModelManifest::parse(&text).map_err(|source| PackageError::Manifest {
        path,
        source: Box::new(source),
    })
}

/// How long a file may be.
#[derive(Clone, Copy)]
enum Length {
    Exactly(u64),
    AtMost(u64),
}

impl Length {
    const fn limit(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::AtMost(bytes) => bytes,
        }
    }

    const fn allows(self, found: u64) -> bool {
        match self {
            Self::Exactly(bytes) => found == bytes,
            Self::AtMost(bytes) => found <= bytes,
        }
    }
}

/// Reads a regular file of this length.
fn read_regular(path: &Path, length: Length) -> Result<Vec<u8>, PackageError> {
    if !fs_err::symlink_metadata(path)?.is_file() {
        return Err(PackageError::NotAFile(path.to_owned()));
    }
    let check = |found: u64| {
        let expected = length.limit();
        if length.allows(found) {
            Ok(())
        } else {
            Err(PackageError::Size {
                path: path.to_owned(),
                found,
                expected,
            })
        }
    };
    let file = fs_err::File::open(path)?;
    let found = file.metadata()?.len();
    check(found)?;
    // Bounded by the allowed length and not by what the file says now: it may be growing.
    let mut bytes = Vec::with_capacity(usize::try_from(found).unwrap_or_default());
    file.take(length.limit().saturating_add(1))
        .read_to_end(&mut bytes)?;
    check(bytes.len() as u64)?;
    Ok(bytes)
}
