//! The ONNX Runtime library: from its official Python wheel, else from its official npm package.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::download::{Workshop, processor, put_in_place};
use crate::{
    programs::{Failure, output_of, sha256, works},
    workspace::Workspace,
};

const VERSION: &str = "1.31.1";
const PINNED_LIBRARIES: &str = "onnxruntime-libraries.sha256";

/// The npm package carries all platforms in one file of 113 MB and is one version behind: second choice.
const NPM_PACKAGE: &str = "onnxruntime-node@1.30.0";
const NPM_VERSION: &str = "1.30.0";
const NPM_SHA256: &str = "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75";

/// The library that the user named, the fetched one, or a freshly fetched one.
pub(crate) fn find_or_fetch(workspace: &Workspace) -> Result<PathBuf, Failure> {
    for variable in ["LAMINA_ONNXRUNTIME", "ORT_DYLIB_PATH"] {
        if let Some(named) = std::env::var_os(variable)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
        {
            // Named by the user: that one or none. Whether it can be used is for Lamina to say, which really loads it.
            return if named.exists() {
                Ok(named)
            } else {
                Err(Failure::new(format!(
                    "{variable} names {}, which does not exist",
                    named.display()
                )))
            };
        }
    }
    let place = workspace.runtime().join("onnxruntime").join(VERSION);
    let library = place.join(format!("libonnxruntime.so.{VERSION}"));
    let npm_library = workspace
        .runtime()
        .join("onnxruntime")
        .join(NPM_VERSION)
        .join("libonnxruntime.so.1");
    if is_pinned(workspace, &library)? {
        return Ok(library);
    }
    if npm_library.is_file() {
        return Ok(npm_library);
    }
    println!("onnxruntime   fetching version {VERSION} (24 MB)");
    let reasons = match from_wheel(workspace, &place, &library) {
        Ok(()) => return Ok(library),
        Err(wheel) => match from_npm(workspace, &npm_library) {
            Ok(()) => return Ok(npm_library),
            Err(npm) => format!("  by pip: {wheel}\n  by npm: {npm}"),
        },
    };
    Err(Failure::new(format!(
        "ONNX Runtime could not be fetched:\n{reasons}\n\
         Any one of these helps:\
         \n  let this machine reach the Python package index (or a mirror: PIP_INDEX_URL), and run `make setup` again\
         \n  on another machine: python3 -m pip download --no-deps onnxruntime=={VERSION}; a wheel is a zip file: put its\
         \n  onnxruntime/capi/libonnxruntime.so.{VERSION} at {}\
         \n  point LAMINA_ONNXRUNTIME at a libonnxruntime of version 1.22 or newer",
        library.display()
    )))
}

fn from_wheel(workspace: &Workspace, place: &Path, library: &Path) -> Result<(), Failure> {
    let processor = processor()?;
    let workshop = Workshop::open(&workspace.runtime())?;
    let contents = workshop.unpack_wheel(
        &workspace.pin(&format!("onnxruntime-{processor}.txt")),
        processor,
    )?;
    let finished = workshop.path().join("finished");
    fs_err::create_dir_all(&finished)?;
    let name = format!("libonnxruntime.so.{VERSION}");
    fs_err::rename(
        contents.join("onnxruntime/capi").join(&name),
        finished.join(&name),
    )?;
    for legal in ["LICENSE", "ThirdPartyNotices.txt"] {
        fs_err::rename(
            contents.join("onnxruntime").join(legal),
            finished.join(legal),
        )?;
    }
    if !is_pinned(workspace, &finished.join(&name))? {
        return Err(Failure::new(format!(
            "{name} in the wheel is not the pinned one"
        )));
    }
    put_in_place(&finished, place, || {
        is_pinned(workspace, library).unwrap_or(false)
    })
}

fn from_npm(workspace: &Workspace, library: &Path) -> Result<(), Failure> {
    if !works("npm", &["--version"]) {
        return Err(Failure::new("npm is not installed"));
    }
    println!("onnxruntime   pip did not work; fetching {NPM_PACKAGE} by npm (113 MB)");
    let workshop = Workshop::open(&workspace.runtime())?;
    // `pack` only downloads: no scripts of the package are run.
    output_of(
        Command::new("npm")
            .args(["pack", "--silent", NPM_PACKAGE])
            .current_dir(workshop.path()),
    )?;
    let archive = workshop
        .path()
        .join(format!("onnxruntime-node-{NPM_VERSION}.tgz"));
    if sha256(&archive)? != NPM_SHA256 {
        return Err(Failure::new(format!(
            "{NPM_PACKAGE} is not the pinned package"
        )));
    }
    let folder = match processor()? {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let inside = format!("package/bin/napi-v6/linux/{folder}/libonnxruntime.so.1");
    output_of(
        Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg(&inside)
            .current_dir(workshop.path()),
    )?;
    let finished = workshop.path().join("finished");
    fs_err::create_dir_all(&finished)?;
    fs_err::rename(
        workshop.path().join(inside),
        finished.join("libonnxruntime.so.1"),
    )?;
    let place = library
        .parent()
        .ok_or_else(|| Failure::new("the library's path has no directory"))?;
    put_in_place(&finished, place, || library.is_file())
}

/// Whether the file is exactly the library that this version of Lamina is tested with.
fn is_pinned(workspace: &Workspace, library: &Path) -> Result<bool, Failure> {
    if !library.is_file() {
        return Ok(false);
    }
    let pins = fs_err::read_to_string(workspace.pin(PINNED_LIBRARIES))?;
    let wanted = format!("{}/libonnxruntime.so.{VERSION}", processor()?);
    let sum = sha256(library)?;
    Ok(pins
        .lines()
        .any(|line| line.split_whitespace().eq([sum.as_str(), wanted.as_str()])))
}
