//! `lamina models add`.

use std::process::ExitCode;

use lamina_hub::AddOptions;

use super::args::{AddArgs, ModelsArgs};
use crate::{output, places};

/// Makes a package of a folder and says what the folder did not say.
///
/// # Errors
/// A layout that is not known, files that are not what they should be.
pub fn run(args: &ModelsArgs, add: &AddArgs) -> anyhow::Result<ExitCode> {
    let options = AddOptions {
        name: add.name.clone(),
        licence: add.licence.clone(),
    };
    let target = places::installed_models(&args.data.data_dir);
    let added = lamina_hub::add(&add.folder, &target, &options)?;
    if add.json {
        output::json(&serde_json::json!({
            "package": added.package,
            "folder": added.dir,
            "assumptions": added.assumptions,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!(
        "installed {} in {}",
        added.package,
        added.dir.display()
    ));
    if !added.assumptions.is_empty() {
        output::line(
            "the folder did not say everything; this was assumed, and can be changed in its model.toml:",
        );
    }
    for assumption in &added.assumptions {
        output::line(format_args!("  {assumption}"));
    }
    Ok(ExitCode::SUCCESS)
}
