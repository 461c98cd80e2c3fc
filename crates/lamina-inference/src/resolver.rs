//! Where the ONNX Runtime library is.

use std::cmp::Reverse;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::elf::{OLDEST_MINOR, inspect, version};

pub use crate::elf::Unusable;

/// The version that set-up fetches and that the tests run with.
pub const RUNTIME_VERSION: &str = "1.31.1";

/// Where to look, in this order. What is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeSearch {
    /// A file, or a folder with the library in it, named by the operator: the only place looked at when it is set, so that a mistake in
    /// it is an error and not some other version.
    pub explicit: Option<PathBuf>,
    /// Folder of the executable; its `lib` is looked at.
    pub beside_binary: Option<PathBuf>,
    /// Data directory; its `runtime/onnxruntime/<version>` is looked at.
    pub data_dir: Option<PathBuf>,
    /// Root of the source tree (development); its `.runtime/onnxruntime/<version>` is looked at.
    pub workspace: Option<PathBuf>,
}

/// No usable library: every place that was looked at, and what to do.
#[derive(Debug)]
pub struct RuntimeMissing {
    /// Path and what is wrong with it, in the order of the search.
    pub tried: Vec<(PathBuf, Unusable)>,
    /// Whether the operator named the place, so that it was the only one.
    pub is_explicit: bool,
}

impl fmt::Display for RuntimeMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_explicit {
            f.write_str("the ONNX Runtime library named by the configuration cannot be used:")?;
        } else {
            f.write_str("no ONNX Runtime library was found:")?;
        }
        for (path, reason) in &self.tried {
            write!(f, "\n  {} {reason}", path.display())?;
        }
        write!(
            f,
            "\nTo get version {RUNTIME_VERSION}, run `make setup`; or point LAMINA_ONNXRUNTIME at a libonnxruntime of version \
             1.{OLDEST_MINOR} or later."
        )
    }
}

impl std::error::Error for RuntimeMissing {}

/// Finds the library: the explicit path alone when there is one; else `lib` beside the executable, the data directory, the source tree,
/// the system's library folders. In a folder the newest version comes first. Files are looked into, not loaded.
///
/// # Errors
/// Nothing usable anywhere; the error lists every place with its reason and the command that helps.
pub fn find_runtime(search: &RuntimeSearch) -> Result<PathBuf, RuntimeMissing> {
    find_among(search, &system_folders())
}

fn find_among(search: &RuntimeSearch, system: &[PathBuf]) -> Result<PathBuf, RuntimeMissing> {
    let mut tried = Vec::new();
    let folders = match &search.explicit {
        Some(path) if !path.is_dir() => {
            return usable(path, &mut tried).ok_or(RuntimeMissing {
                tried,
                is_explicit: true,
            });
        }
        Some(folder) => vec![folder.clone()],
        None => {
            let pinned = |root: &PathBuf, name: &str| {
                root.join(name).join("onnxruntime").join(RUNTIME_VERSION)
            };
            let own = [
                search
                    .beside_binary
                    .as_ref()
                    .map(|folder| folder.join("lib")),
                search.data_dir.as_ref().map(|root| pinned(root, "runtime")),
                search
                    .workspace
                    .as_ref()
                    .map(|root| pinned(root, ".runtime")),
            ];
            own.into_iter()
                .flatten()
                .chain(system.iter().cloned())
                .collect()
        }
    };
    for folder in &folders {
        for candidate in candidates(folder, &mut tried) {
            if let Some(path) = usable(&candidate, &mut tried) {
                return Ok(path);
            }
        }
    }
    Err(RuntimeMissing {
        tried,
        is_explicit: search.explicit.is_some(),
    })
}

/// The candidate when it can be used; else its reason goes on the list.
fn usable(path: &Path, tried: &mut Vec<(PathBuf, Unusable)>) -> Option<PathBuf> {
    match inspect(path) {
        // Absolute, because a relative one would be looked for beside the executable by the loader.
        Ok(_) => Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
        Err(reason) => {
            tried.push((path.to_owned(), reason));
            None
        }
    }
}

/// `libonnxruntime.so*` of a folder, newest first; a name without a version after those with one.
fn candidates(folder: &Path, tried: &mut Vec<(PathBuf, Unusable)>) -> Vec<PathBuf> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            tried.push((folder.to_owned(), Unusable::opening(error)));
            return Vec::new();
        }
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(is_library_name)
        })
        .collect();
    found.sort_by_key(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        (Reverse(version(name.as_bytes())), name)
    });
    if found.is_empty() {
        tried.push((folder.to_owned(), Unusable::NoLibrary));
    }
    found
}

fn is_library_name(name: &str) -> bool {
    if cfg!(target_os = "macos") {
        name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
    } else {
        name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so.")
    }
}

fn system_folders() -> Vec<PathBuf> {
    let triple = if cfg!(target_arch = "aarch64") {
        "/usr/lib/aarch64-linux-gnu"
    } else {
        "/usr/lib/x86_64-linux-gnu"
    };
    ["/usr/local/lib", triple, "/usr/lib64", "/usr/lib"]
        .into_iter()
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn real() -> PathBuf {
        let search = RuntimeSearch {
            workspace: Some(workspace()),
            ..RuntimeSearch::default()
        };
        find_runtime(&search).unwrap_or_else(|missing| panic!("{missing}"))
    }

    #[test]
    fn an_explicit_path_is_final() {
        let search = RuntimeSearch {
            explicit: Some(PathBuf::from("/nowhere/libonnxruntime.so")),
            workspace: Some(workspace()),
            ..RuntimeSearch::default()
        };
        let missing = find_runtime(&search).unwrap_err();
        assert!(missing.is_explicit && missing.tried.len() == 1);
        let text = missing.to_string();
        assert!(
            text.contains("/nowhere/libonnxruntime.so does not exist")
                && text.contains("make setup"),
            "{text}"
        );
    }

    #[test]
    fn an_explicit_folder_is_searched() {
        let file = real();
        let search = RuntimeSearch {
            explicit: file.parent().map(Path::to_owned),
            ..RuntimeSearch::default()
        };
        assert_eq!(find_runtime(&search).unwrap(), file);
    }

    #[test]
    fn places_are_tried_in_order_and_every_failure_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let lib = folder.path().join("lib");
        fs_err::create_dir_all(&lib).unwrap();
        fs_err::write(lib.join("libonnxruntime.so.9.9.9"), "no library").unwrap();
        fs_err::write(lib.join("libonnxruntime.so.10.0.0"), "no library").unwrap();
        fs_err::write(lib.join("libonnxruntime_providers_shared.so"), "not ours").unwrap();
        let mut search = RuntimeSearch {
            beside_binary: Some(folder.path().to_owned()),
            data_dir: Some(folder.path().join("data")),
            ..RuntimeSearch::default()
        };
        let missing = find_among(&search, &[PathBuf::from("/nowhere")]).unwrap_err();
        let data = folder
            .path()
            .join("data/runtime/onnxruntime")
            .join(RUNTIME_VERSION);
        let paths: Vec<_> = missing.tried.iter().map(|(path, _)| path.clone()).collect();
        assert_eq!(
            paths,
            [
                lib.join("libonnxruntime.so.10.0.0"),
                lib.join("libonnxruntime.so.9.9.9"),
                data.clone(),
                "/nowhere".into()
            ]
        );

        search.workspace = Some(workspace());
        assert_eq!(find_among(&search, &[]).unwrap(), real());
        fs_err::create_dir_all(&data).unwrap();
        let copy = data.join("libonnxruntime.so");
        std::os::unix::fs::symlink(real(), &copy).unwrap();
        assert_eq!(
            find_among(&search, &[]).unwrap(),
            copy,
            "the data directory comes before the source tree"
        );
    }
}
