//! A local folder into an installed package.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use lamina_inference::{FileRole, ModelManifest, ModelPackage, PackageFile, external_locations};
use lamina_types::ContentHash;
use sha2::{Digest as _, Sha256};
use toml::Table;

use crate::catalog::{common_hash, manifest_text};
use crate::error::{HubError, LayoutError};
use crate::install::Staging;
use crate::labels;
use crate::layout::{Found, Source, recognise};
use crate::pull::{MANIFEST, folder_of};

/// What the operator says about a folder.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// Name of the package; that of the folder when absent.
    pub name: Option<String>,
    /// Licence of the weights (SPDX), where the folder does not say it.
    pub licence: Option<String>,
}

/// A package made of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// `name@version`.
    pub package: String,
    /// Where it lies.
    pub dir: PathBuf,
    /// What the folder did not say, and what was taken instead.
    pub assumptions: Vec<String>,
}

/// Copies what a folder holds of a model below `models`, with a manifest. A folder with a finished `model.toml` is taken as it is.
///
/// # Errors
/// A layout that is not known, files that are not what they should be, links, weights outside the folder: nothing is installed then.
pub fn add(folder: &Path, models: &Path, options: &AddOptions) -> Result<Added, HubError> {
    let finished = folder.join(MANIFEST).is_file();
    let name = match (&options.name, finished) {
        (Some(name), _) => name.clone(),
        (None, true) => ModelPackage::open(folder)?.manifest().name.clone(),
        (None, false) => plain_name(folder),
    };
    let staging = Staging::open(models, &name)?;
    // Nothing of an interrupted pull of the same name may get in.
    staging.empty()?;
    let outcome = if finished {
        take(folder, &staging)
    } else {
        make(folder, &staging, &name, options)
    };
    let outcome = outcome.and_then(|assumptions| {
        let package = ModelPackage::open(staging.dir())?;
        Ok((
            package.key().package,
            folder_of(package.manifest()),
            assumptions,
        ))
    });
    let (package, place, assumptions) = match outcome {
        Ok(made) => made,
        Err(error) => {
            staging.clear()?;
            return Err(error);
        }
    };
    let dir = staging.install(&place)?;
    Ok(Added {
        package,
        dir,
        assumptions,
    })
}

/// A finished package: its manifest and what that names, and nothing else.
fn take(folder: &Path, staging: &Staging) -> Result<Vec<String>, HubError> {
    let package = ModelPackage::open(folder)?;
    for file in &package.manifest().files {
        copy(&folder.join(&file.path), staging, &file.path)?;
    }
    copy(&folder.join(MANIFEST), staging, MANIFEST)?;
    Ok(Vec::new())
}

fn make(
    folder: &Path,
    staging: &Staging,
    name: &str,
    options: &AddOptions,
) -> Result<Vec<String>, HubError> {
    let mut found = recognise(folder)?;
    let mut files = Vec::new();
    let mut taken = BTreeSet::new();
    let sources = std::mem::take(&mut found.files);
    for source in &sources {
        files.push(bring(source, staging, &mut taken)?);
        if source.role.is_graph() {
            bring_outside(source, staging, &mut files, &mut taken)?;
        }
    }
    if let Some(names) = &found.labels {
        fs_err::write(staging.dir().join(labels::FILE), names)?;
        files.push(labels::file(names));
    }
    let table = describe(folder, name, options, &mut found, &files);
    let text = manifest_text(&table, None, &files)?;
    ModelManifest::parse(&text)?;
    fs_err::write(staging.dir().join(MANIFEST), text)?;
    Ok(found.assumptions)
}

/// The sections of the manifest with the words before them.
fn describe(
    folder: &Path,
    name: &str,
    options: &AddOptions,
    found: &mut Found,
    files: &[PackageFile],
) -> Table {
    let licence = options.licence.clone().or_else(|| licence_of(folder));
    if licence.is_none() {
        found.assume(
            "the licence is not known: find out before you use it, and say it by --licence",
        );
    }
    let mut table = Table::new();
    let words = [
        ("name", name.to_owned()),
        ("version", format!("1-{}", common_hash(files))),
        (
            "licence",
            licence.unwrap_or_else(|| "LicenseRef-unknown".to_owned()),
        ),
        (
            "description",
            format!("Added from the folder {}.", plain_name(folder)),
        ),
        ("source", "a local folder in the layout of a hub".to_owned()),
    ];
    for (key, value) in words {
        table.insert(key.to_owned(), value.into());
    }
    table.extend(found.sections.clone());
    table
}

/// `license:` of the head of a model card.
fn licence_of(folder: &Path) -> Option<String> {
    let text = fs_err::read_to_string(folder.join("README.md")).ok()?;
    let head = text.strip_prefix("---")?.split("\n---").next()?;
    let said = head
        .lines()
        .find_map(|line| line.strip_prefix("license:"))?
        .trim();
    let name = match said.to_ascii_lowercase().as_str() {
        "apache-2.0" => "Apache-2.0",
        "mit" => "MIT",
        "bsd-3-clause" => "BSD-3-Clause",
        _ => said,
    };
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

/// One file into the package, under its own name.
fn bring(
    source: &Source,
    staging: &Staging,
    taken: &mut BTreeSet<String>,
) -> Result<PackageFile, HubError> {
    let name = source
        .path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !taken.insert(name.to_ascii_lowercase()) {
        return Err(refuse(&source.path, "another file has the same name"));
    }
    let (sha256, bytes) = copy(&source.path, staging, name)?;
    Ok(PackageFile {
        path: name.to_owned(),
        role: source.role,
        sha256,
        bytes,
    })
}

/// The weights that a graph keeps outside itself: beside it, under plain names, or not at all.
fn bring_outside(
    graph: &Source,
    staging: &Staging,
    files: &mut Vec<PackageFile>,
    taken: &mut BTreeSet<String>,
) -> Result<(), HubError> {
    let locations = external_locations(&fs_err::read(&graph.path)?)
        .map_err(|error| refuse(&graph.path, &error.to_string()))?;
    for location in locations {
        let is_plain = Path::new(&location).components().count() == 1
            && !location.starts_with('.')
            && !location.contains(['/', '\\']);
        if !is_plain {
            return Err(refuse(
                &graph.path,
                &format!("it keeps weights at {location:?}, outside its folder"),
            ));
        }
        if files
            .iter()
            .any(|file| file.path == location && file.role == FileRole::ExternalData)
        {
            continue;
        }
        let path = graph.path.with_file_name(&location);
        let role = FileRole::ExternalData;
        files.push(bring(&Source { path, role }, staging, taken)?);
    }
    Ok(())
}

/// Copies a regular file, hashing on the way.
fn copy(from: &Path, staging: &Staging, name: &str) -> Result<(ContentHash, u64), HubError> {
    if !fs_err::symlink_metadata(from)?.is_file() {
        return Err(refuse(
            from,
            "it is no regular file (copy a cache of links by `cp -rL`)",
        ));
    }
    let mut source = fs_err::File::open(from)?;
    let mut target = fs_err::File::create(staging.dir().join(name))?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut piece = vec![0; 1 << 18];
    loop {
        let count = source.read(&mut piece)?;
        let Some(piece) = piece.get(..count).filter(|piece| !piece.is_empty()) else {
            break;
        };
        hash.update(piece);
        target.write_all(piece)?;
        bytes += count as u64;
    }
    target.sync_all()?;
    Ok((ContentHash::from_bytes(hash.finalize().into()), bytes))
}

fn refuse(path: &Path, reason: &str) -> HubError {
    HubError::Layout(LayoutError::File {
        path: path.to_owned(),
        reason: reason.to_owned(),
    })
}

/// The folder's name with what manifests do not allow replaced.
fn plain_name(folder: &Path) -> String {
    let folder = fs_err::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_ascii_lowercase();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).collect();
    name.trim_start_matches('.').to_owned()
}
