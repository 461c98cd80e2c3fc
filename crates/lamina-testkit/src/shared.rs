//! Material beside the repository that is too large or not ours to keep in it: real weights and labelled photos. Without it the
//! tests that want it say so and pass.

use std::path::{Path, PathBuf};

use lamina_media::content_hash;

/// A part of the folder that `LAMINA_SHARED_DIR` names, or of `shared` beside the repository; says so where there is none.
#[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
pub fn shared(part: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LAMINA_SHARED_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = folder.join(part);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there", path.display());
    None
}

/// Makes a model package of loose files, each a name and a role: copies of them, and a manifest that says `rest` and their hashes.
///
/// # Errors
/// A file that is not there; no room.
pub fn make_package(
    to: &Path,
    from: &Path,
    files: &[(&str, &str)],
    rest: &str,
) -> anyhow::Result<()> {
    fs_err::create_dir_all(to)?;
    let mut manifest = rest.to_owned();
    for (name, role) in files {
        let bytes = fs_err::read(from.join(name))?;
        fs_err::write(to.join(name), &bytes)?;
        let (hash, size) = (content_hash(&bytes), bytes.len());
        manifest.push_str(&format!(
            "\n[[files]]\npath = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hash}\"\nbytes = {size}\n"
        ));
    }
    Ok(fs_err::write(to.join("model.toml"), manifest)?)
}
