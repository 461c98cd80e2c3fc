//! `lamina models remove`.

use std::process::ExitCode;

use lamina_store::spaces;

use super::args::ModelsArgs;
use crate::{output, places, slots};

/// Removes a package from the folder of installed ones.
///
/// # Errors
/// A package that is not there, came with the system, answers to a slot, or that datasets were made with.
pub async fn run(args: &ModelsArgs, name: &str, force: bool) -> anyhow::Result<ExitCode> {
    let folders = super::folders(args);
    let state = super::find(&folders, name)?;
    let installed = places::installed_models(&args.data.data_dir);
    anyhow::ensure!(
        state.dir.starts_with(&installed),
        "{} lies in {} and came with the system; only what was installed into {} is removed",
        state.package,
        state.dir.display(),
        installed.display()
    );
    let bindings = slots::bindings(&args.inference, &folders)?;
    let home = super::home_if_there(args).await?;
    let bound = super::bound(&bindings, home.as_ref()).await;
    let datasets = match &home {
        Some(home) => spaces::count_of_package(&home.pool, &state.package).await,
        None => Ok(0),
    };
    if let Some(home) = home {
        home.close().await;
    }
    let (bound, datasets) = (bound?, datasets?);
    let slots: Vec<String> = bound
        .into_iter()
        .filter(|binding| binding.package == state.package)
        .map(|binding| binding.slot)
        .collect();
    anyhow::ensure!(
        slots.is_empty(),
        "{} answers to {}; bind another package there first",
        state.package,
        slots.join(", ")
    );
    anyhow::ensure!(
        force || datasets == 0,
        "{datasets} datasets were made with {} and could no longer be searched by text or picture; say --force to remove \
         it all the same",
        state.package
    );
    lamina_hub::remove(&state.dir)?;
    output::line(format_args!("removed {}", state.package));
    Ok(ExitCode::SUCCESS)
}
