//! A finished folder into its place in one step, and out of it.

use std::path::{Path, PathBuf};

use fs_err::File;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::HubError;

/// The folder that a package is put together in. Hidden, so that nobody takes it for a package; locked, so that one process works on
/// it at a time.
pub(crate) struct Staging {
    dir: PathBuf,
    models: PathBuf,
    /// Unlocked when dropped.
    _lock: File,
}

impl Staging {
    /// Opens or makes the staging folder of a package.
    pub(crate) fn open(models: &Path, name: &str) -> Result<Self, HubError> {
        fs_err::create_dir_all(models)?;
        let lock = File::create(models.join(format!(".pull-{name}.lock")))?;
        if lock.file().try_lock().is_err() {
            return Err(HubError::Busy(name.to_owned()));
        }
        let dir = models.join(format!(".pull-{name}"));
        fs_err::create_dir_all(&dir)?;
        Ok(Self {
            dir,
            models: models.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Throws the content away.
    pub(crate) fn empty(&self) -> std::io::Result<()> {
        fs_err::remove_dir_all(&self.dir)?;
        fs_err::create_dir_all(&self.dir)
    }

    /// Throws everything away.
    pub(crate) fn clear(&self) -> std::io::Result<()> {
        fs_err::remove_dir_all(&self.dir)
    }

    /// Moves the folder to its place. What lay there (a damaged package of the same version) is exchanged for it, so that at every
    /// moment there is a whole folder or none.
    pub(crate) fn install(self, folder: &str) -> std::io::Result<PathBuf> {
        sync_dir(&self.dir)?;
        let target = self.models.join(folder);
        if target.exists() {
            renameat_with(CWD, &self.dir, CWD, &target, RenameFlags::EXCHANGE)?;
            fs_err::remove_dir_all(&self.dir)?;
        } else {
            fs_err::rename(&self.dir, &target)?;
        }
        sync_dir(&self.models)?;
        Ok(target)
    }
}

/// Removes an installed package: out of sight in one step, then off the disk.
///
/// # Errors
/// The disk.
pub fn remove(dir: &Path) -> Result<(), HubError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let hidden = dir.with_file_name(format!(".removed-{name}-{}", std::process::id()));
    fs_err::rename(dir, &hidden)?;
    fs_err::remove_dir_all(hidden)?;
    Ok(())
}

fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
