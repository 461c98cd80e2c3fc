//! Where things lie: model packages, the ONNX Runtime library, the checkout a development binary was built in.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lamina_inference::{ModelPackage, RuntimeSearch};

use crate::config::InferenceOptions;

/// Folder of the packages an installed system brings along.
const SYSTEM_MODELS: &str = "/usr/share/lamina/models";

/// The checkout that this binary was built in or is run from, if any: the nearest folder upwards, from the binary and
/// then from the working directory, that holds both `models` and `migrations`.
pub fn checkout() -> Option<PathBuf> {
    let binary = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    [binary, here].into_iter().flatten().find_map(|start| {
        start
            .ancestors()
            .find(|folder| folder.join("models").is_dir() && folder.join("migrations").is_dir())
            .map(Path::to_path_buf)
    })
}

/// Where to look for the ONNX Runtime library.
pub fn runtime_search(options: &InferenceOptions, data_dir: &Path) -> RuntimeSearch {
    let by_convention = std::env::var_os("ORT_DYLIB_PATH")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    RuntimeSearch {
        explicit: options.onnxruntime.clone().or(by_convention),
        beside_binary: std::env::current_exe()
            .ok()
            .and_then(|path| path.parent().map(Path::to_path_buf)),
        data_dir: Some(data_dir.to_path_buf()),
        workspace: checkout(),
    }
}

/// The folders that may hold model packages, first match wins.
pub fn model_folders(options: &InferenceOptions, data_dir: &Path) -> Vec<PathBuf> {
    if let Some(folder) = &options.models_dir {
        return vec![folder.clone()];
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(|folder| folder.join("models")));
    [
        Some(data_dir.join("models")),
        beside,
        // What set-up made: before the catalog, whose folder of the same name may hold a manifest alone.
        checkout().map(|folder| folder.join(".runtime/models")),
        checkout().map(|folder| folder.join("models")),
        Some(SYSTEM_MODELS.into()),
    ]
    .into_iter()
    .flatten()
    .filter(|folder| folder.is_dir())
    .collect()
}

/// Opens the package bound to the `INDEX` slot and checks every file of it.
///
/// # Errors
/// Found nowhere (the message lists where it was looked for), or not as its manifest says.
pub fn index_package(options: &InferenceOptions, data_dir: &Path) -> anyhow::Result<ModelPackage> {
    let folders = model_folders(options, data_dir);
    let found = folders
        .iter()
        .map(|folder| folder.join(&options.index_package))
        .find(|folder| folder.join("model.toml").is_file());
    let Some(folder) = found else {
        let looked: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        anyhow::bail!(
            "the model package {:?} (slot INDEX) was not found in: {}; set --models-dir or LAMINA_MODELS_DIR to the \
             folder that holds it",
            options.index_package,
            looked.join(", ")
        );
    };
    ModelPackage::open(&folder)
        .with_context(|| format!("the model package in {}", folder.display()))
}

/// Every package found, by folder name; a name found twice counts where it was found first.
pub fn installed_packages(options: &InferenceOptions, data_dir: &Path) -> Vec<PathBuf> {
    let mut packages: Vec<PathBuf> = Vec::new();
    for folder in model_folders(options, data_dir) {
        let Ok(entries) = fs_err::read_dir(&folder) else {
            continue;
        };
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let is_new = packages
                .iter()
                .all(|known| known.file_name() != path.file_name());
            if path.join("model.toml").is_file() && is_new {
                packages.push(path);
            }
        }
    }
    packages.sort();
    packages
}
