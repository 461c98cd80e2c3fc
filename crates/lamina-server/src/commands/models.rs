//! `lamina models`: which packages are there, which of them work, and what answers to each slot.

use std::process::ExitCode;

use lamina_inference::{PackageFolders, PackageState};
use lamina_store::bindings::Binding;
use serde::Serialize;

use crate::cli::{ModelsAction, ModelsArgs};
use crate::{output, places, slots};

#[derive(Serialize)]
struct Row {
    package: String,
    slots: Vec<String>,
    task: String,
    licence: String,
    megabytes: f64,
    verified: bool,
    problem: Option<String>,
}

/// Lists the packages.
///
/// # Errors
/// The rows cannot be written as JSON.
pub fn run(args: &ModelsArgs) -> anyhow::Result<ExitCode> {
    let ModelsAction::List { json } = args.action;
    let folders = PackageFolders::new(places::model_folders(&args.inference, &args.data.data_dir));
    let bindings = slots::bindings(&args.inference, &folders)?;
    let bound: Vec<&Binding> = slots::all()
        .into_iter()
        .filter_map(|slot| bindings.fixed(slot).or_else(|| bindings.default_of(slot)))
        .collect();
    let packages = folders.packages();
    let rows: Vec<Row> = packages.iter().map(|found| row(found, &bound)).collect();
    if json {
        output::json(&rows)?;
    } else {
        output::line(format_args!(
            "{:<32} {:<24} {:<14} {:>8}  {:<10} slots",
            "package", "task", "licence", "MB", "state"
        ));
        for row in &rows {
            let state = row.problem.as_deref().unwrap_or("verified");
            output::line(format_args!(
                "{:<32} {:<24} {:<14} {:>8.1}  {state:<10} {}",
                row.package,
                row.task,
                row.licence,
                row.megabytes,
                row.slots.join(", ")
            ));
        }
    }
    Ok(if rows.iter().all(|row| row.verified) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn row(found: &PackageState, bound: &[&Binding]) -> Row {
    let manifest = found.manifest.as_ref();
    let text = |of: fn(&lamina_inference::ModelManifest) -> &String| {
        manifest
            .map(|manifest| of(manifest).clone())
            .unwrap_or_default()
    };
    let slots = bound
        .iter()
        .filter(|binding| binding.package == found.package);
    Row {
        package: found.package.clone(),
        slots: slots.map(|binding| binding.slot.clone()).collect(),
        task: text(|manifest| &manifest.task),
        licence: text(|manifest| &manifest.licence),
        megabytes: found.bytes() as f64 / 1e6,
        verified: found.is_verified(),
        problem: found
            .problem
            .as_ref()
            .map(|problem| format!("{:#}", anyhow::Error::new(std::sync::Arc::clone(problem)))),
    }
}
