//! `lamina models verify`.

use std::process::ExitCode;

use lamina_inference::PackageState;

use super::args::ModelsArgs;
use crate::output;

/// Hashes every file of the packages.
///
/// # Errors
/// A package that is not there.
pub fn run(args: &ModelsArgs, names: &[String]) -> anyhow::Result<ExitCode> {
    let folders = super::folders(args);
    let packages: Vec<PackageState> = if names.is_empty() {
        folders.packages()
    } else {
        let found = names.iter().map(|name| super::find(&folders, name));
        found.collect::<anyhow::Result<_>>()?
    };
    for state in &packages {
        match super::problem(state) {
            None => {
                let megabytes = state.bytes() as f64 / 1e6;
                output::line(format_args!("ok    {} ({megabytes:.1} MB)", state.package));
            }
            Some(problem) => output::line(format_args!("FAIL  {}: {problem}", state.package)),
        }
    }
    let is_whole = packages.iter().all(PackageState::is_verified);
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
