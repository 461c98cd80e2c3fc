//! Where Postgres is on this machine.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::PostgresError;

/// Where distributions keep the programs: a parent, and the prefix of the directories in it that are named by version.
const DISTRIBUTIONS: [(&str, &str); 6] = [
    ("/usr/lib/postgresql", ""),
    ("/usr/libexec", "postgresql"),
    ("/usr", "pgsql-"),
    ("/opt", "postgresql"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// How deep below `<data dir>/runtime/postgres` a `bin` directory is looked for.
const RUNTIME_DEPTH: usize = 3;

/// A directory that holds `initdb` and `postgres`, both of which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The directory, links resolved.
    pub bin_dir: PathBuf,
    /// The version as the server prints it, such as `15.18`.
    pub version: String,
    /// The major version; a cluster can only be used by the one that made it.
    pub major: u32,
}

impl Binaries {
    /// The program `name` in the directory.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    fn examine(bin_dir: &Path) -> Result<Self, String> {
        for name in ["initdb", "postgres"] {
            if !bin_dir.join(name).is_file() {
                return Err(format!("has no {name}"));
            }
        }
        // `initdb` in a directory on PATH is often a link; beside the real one lie the libraries and data it needs.
        let bin_dir = bin_dir
            .join("initdb")
            .canonicalize()
            .ok()
            .and_then(|real| real.parent().map(Path::to_owned))
            .filter(|real| real.join("postgres").is_file())
            .unwrap_or_else(|| bin_dir.to_owned());
        let output = Command::new(bin_dir.join("postgres"))
            .arg("--version")
            .output()
            .map_err(|error| format!("its postgres does not run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (version, major) = parse_version(&text).ok_or_else(|| {
            format!(
                "its postgres does not run: {} {}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })?;
        Ok(Self {
            bin_dir,
            version,
            major,
        })
    }
}

/// Finds Postgres: `explicit` alone if it is given, else the directories of `PATH`, the distribution's (highest version
/// first), and `<data_dir>/runtime/postgres`. With `wanted_major` only that version will do.
///
/// # Errors
/// [`PostgresError::NoBinaries`] names every place that was passed over, with the reason.
pub fn find_binaries(
    explicit: Option<&Path>,
    data_dir: &Path,
    wanted_major: Option<u32>,
) -> Result<Binaries, PostgresError> {
    let candidates = match explicit {
        Some(directory) => vec![directory.to_owned()],
        None => candidates(data_dir),
    };
    let mut rejected = Vec::new();
    for candidate in candidates {
        // A directory without either program is no candidate worth a word, unless the user named it.
        if explicit.is_none() && !candidate.join("initdb").is_file() {
            continue;
        }
        match Binaries::examine(&candidate) {
            Ok(found) if wanted_major.is_none_or(|wanted| wanted == found.major) => {
                return Ok(found);
            }
            Ok(found) => rejected.push((candidate, format!("is version {}", found.version))),
            Err(reason) => rejected.push((candidate, reason)),
        }
    }
    Err(PostgresError::NoBinaries {
        rejected,
        wanted_major,
    })
}

/// The major version of the cluster in `data`, if there is one.
pub(crate) fn cluster_major(data: &Path) -> io::Result<Option<u32>> {
    match fs_err::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => Ok(text
            .trim()
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn candidates(data_dir: &Path) -> Vec<PathBuf> {
    // The one look at the environment in this crate: PATH means the same to every program.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .collect();
    for (parent, prefix) in DISTRIBUTIONS {
        found.extend(versions_in(Path::new(parent), prefix));
    }
    bin_directories(
        &data_dir.join("runtime").join("postgres"),
        RUNTIME_DEPTH,
        &mut found,
    );
    found
}

/// `<parent>/<prefix><version>/bin`, and the same without `/bin` (some distributions), highest version first.
fn versions_in(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = names_in(parent)
        .into_iter()
        .filter_map(|path| {
            let rest = path.file_name()?.to_str()?.strip_prefix(prefix)?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some((digits.parse().ok()?, path))
        })
        .collect();
    versions.sort();
    versions
        .into_iter()
        .rev()
        .flat_map(|(_, path)| [path.join("bin"), path])
        .collect()
}

fn bin_directories(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for path in names_in(directory).into_iter().rev() {
        if path.file_name().is_some_and(|name| name == "bin") {
            found.push(path);
        } else if depth > 0 {
            bin_directories(&path, depth - 1, found);
        }
    }
}

/// The entries of a directory, sorted; none when it cannot be read, which for a search is the same as being absent.
fn names_in(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn parse_version(text: &str) -> Option<(String, u32)> {
    let version = text
        .split_once("(PostgreSQL)")?
        .1
        .split_whitespace()
        .next()?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((version.to_owned(), digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_server_prints() {
        assert_eq!(
            parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(("15.18".into(), 15))
        );
        assert_eq!(
            parse_version("postgres (PostgreSQL) 19beta1\n"),
            Some(("19beta1".into(), 19))
        );
        assert_eq!(parse_version("something else"), None);
    }

    #[test]
    fn higher_versions_come_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["9", "15", "16", "readme"] {
            fs_err::create_dir(parent.path().join(name)).unwrap();
        }
        let found = versions_in(parent.path(), "");
        let order =
            ["16/bin", "16", "15/bin", "15", "9/bin", "9"].map(|name| parent.path().join(name));
        assert_eq!(found, order);
    }

    #[test]
    fn a_named_directory_without_programs_is_an_error_that_names_remedies() {
        let empty = tempfile::tempdir().unwrap();
        let text = find_binaries(Some(empty.path()), empty.path(), Some(15))
            .unwrap_err()
            .to_string();
        assert!(text.contains("has no initdb"), "{text}");
        assert!(
            text.contains("postgresql-15")
                && text.contains("LAMINA_PG_BIN")
                && text.contains("DATABASE_URL"),
            "{text}"
        );
    }

    #[test]
    fn unpacked_packages_are_found_below_the_runtime_directory() {
        let data = tempfile::tempdir().unwrap();
        let bin = data.path().join("runtime/postgres/package/install18/bin");
        fs_err::create_dir_all(&bin).unwrap();
        assert!(candidates(data.path()).contains(&bin));
    }
}
