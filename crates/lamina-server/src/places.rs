//! Where things lie: model packages, the ONNX Runtime library, the checkout a development binary was built in.

use std::path::{Path, PathBuf};

use lamina_inference::RuntimeSearch;

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

/// The folder that packages are installed into.
pub fn installed_models(data_dir: &Path) -> PathBuf {
    data_dir.join("models")
}

/// The folders that may hold model packages, first match wins: what was installed by `lamina models`, then what the system brings along.
pub fn model_folders(options: &InferenceOptions, data_dir: &Path) -> Vec<PathBuf> {
    let installed = installed_models(data_dir);
    if let Some(folder) = &options.models_dir {
        return vec![installed, folder.clone()];
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| path.parent().map(|folder| folder.join("models")));
    [
        Some(installed),
        beside,
        // What set-up made: before the catalog, whose folder of the same name may hold a manifest alone.
        checkout().map(|folder| folder.join(".runtime/models")),
        checkout().map(|folder| folder.join("models")),
        Some(SYSTEM_MODELS.into()),
    ]
    .into_iter()
    .flatten()
    .collect()
}
