//! Folders that may be ingested by path. A path outside of them and a path that does not exist are answered alike.

use std::path::{Path, PathBuf};

use lamina_types::IngestSource;

/// The configured folders, with every link in them resolved.
#[derive(Debug, Clone, Default)]
pub struct IngestRoots(Vec<PathBuf>);

/// Why a path cannot be ingested; the text is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// No folder is configured.
    #[error("Ingesting by path is switched off: no ingest root is configured on this server")]
    NoRoots,
    /// Relative, outside the roots, absent or unreadable.
    #[error(
        "Invalid path specified: it must be an absolute path below an ingest root of this server"
    )]
    Invalid,
    /// Neither a folder nor a list nor an archive.
    #[error(
        "Invalid path specified: a folder, a .txt, .csv or .parquet list of files, or a .zip archive is needed"
    )]
    Kind,
}

impl IngestRoots {
    /// Checks and resolves the configured folders.
    ///
    /// # Errors
    /// When one of them does not exist.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> std::io::Result<Self> {
        folders
            .into_iter()
            .map(fs_err::canonicalize)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The folders as text, for the spec of an ingest: whoever opens the files checks again against these.
    pub fn texts(&self) -> Vec<String> {
        self.0
            .iter()
            .filter_map(|root| root.to_str())
            .map(str::to_owned)
            .collect()
    }

    /// What lies at `path`, links resolved. Touches the disk: call it where blocking is allowed.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn resolve(&self, path: &str) -> Result<IngestSource, RootError> {
        if self.0.is_empty() {
            return Err(RootError::NoRoots);
        }
        let given = Path::new(path);
        if !given.is_absolute() || path.contains('\0') {
            return Err(RootError::Invalid);
        }
        let real = given.canonicalize().map_err(|_| RootError::Invalid)?;
        if !self.0.iter().any(|root| real.starts_with(root)) {
            return Err(RootError::Invalid);
        }
        let path = real.to_str().ok_or(RootError::Invalid)?.to_owned();
        let metadata = real.metadata().map_err(|_| RootError::Invalid)?;
        if metadata.is_dir() {
            return Ok(IngestSource::Folder { path });
        }
        let extension = real
            .extension()
            .and_then(|extension| extension.to_str())
            .map(str::to_ascii_lowercase);
        match extension.as_deref() {
            Some("txt" | "csv" | "parquet") if metadata.is_file() => {
                Ok(IngestSource::FileList { path })
            }
            Some("zip") if metadata.is_file() => Ok(IngestSource::ArchiveFile { path }),
            _ => Err(RootError::Kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Disk {
        root: PathBuf,
        _base: tempfile::TempDir,
        roots: IngestRoots,
    }

    fn disk() -> Disk {
        let base = tempfile::tempdir().unwrap();
        let real = base.path().canonicalize().unwrap();
        let root = real.join("photos");
        for folder in ["photos/trip", "photos-other", "outside"] {
            fs_err::create_dir_all(real.join(folder)).unwrap();
        }
        for file in [
            "photos/list.TXT",
            "photos/list.csv",
            "photos/a.zip",
            "photos/a.jpg",
            "outside/list.txt",
        ] {
            fs_err::write(real.join(file), b"x").unwrap();
        }
        std::os::unix::fs::symlink(real.join("outside"), root.join("way-out")).unwrap();
        std::os::unix::fs::symlink(root.join("trip"), root.join("way-in")).unwrap();
        let roots = IngestRoots::new([root.clone()]).unwrap();
        Disk {
            root,
            _base: base,
            roots,
        }
    }

    #[test]
    fn sources_below_a_root_are_found() {
        let disk = disk();
        let path = |name: &str| disk.root.join(name).to_str().unwrap().to_owned();
        assert_eq!(
            disk.roots.resolve(&path("")),
            Ok(IngestSource::Folder {
                path: path("").trim_end_matches('/').to_owned()
            })
        );
        assert_eq!(
            disk.roots.resolve(&path("trip/../trip")),
            Ok(IngestSource::Folder { path: path("trip") })
        );
        assert_eq!(
            disk.roots.resolve(&path("way-in")),
            Ok(IngestSource::Folder { path: path("trip") })
        );
        assert_eq!(
            disk.roots.resolve(&path("list.TXT")),
            Ok(IngestSource::FileList {
                path: path("list.TXT")
            })
        );
        assert_eq!(
            disk.roots.resolve(&path("list.csv")),
            Ok(IngestSource::FileList {
                path: path("list.csv")
            })
        );
        assert_eq!(
            disk.roots.resolve(&path("a.zip")),
            Ok(IngestSource::ArchiveFile {
                path: path("a.zip")
            })
        );
    }

    #[test]
    fn everything_else_is_refused() {
        let disk = disk();
        let path = |name: &str| disk.root.join(name).to_str().unwrap().to_owned();
        let outside = [
            path("../outside"),
            path("../photos-other"),
            path("way-out"),
            path("way-out/list.txt"),
            path("absent"),
            "/etc".to_owned(),
            "/".to_owned(),
            "photos".to_owned(),
            String::new(),
            "~".to_owned(),
            format!("{}\0", path("trip")),
        ];
        for wrong in outside {
            assert_eq!(
                disk.roots.resolve(&wrong),
                Err(RootError::Invalid),
                "{wrong:?}"
            );
        }
        assert_eq!(disk.roots.resolve(&path("a.jpg")), Err(RootError::Kind));
        for remote in ["s3://bucket/folder", "http://127.0.0.1/", "file:///etc"] {
            assert_eq!(disk.roots.resolve(remote), Err(RootError::Invalid));
        }
        assert_eq!(
            IngestRoots::default().resolve("/etc"),
            Err(RootError::NoRoots)
        );
    }
}
