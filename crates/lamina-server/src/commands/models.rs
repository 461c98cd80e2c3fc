//! `lamina models`: which packages are there and which of them work.

use std::path::Path;
use std::process::ExitCode;

use lamina_inference::ModelPackage;
use serde::Serialize;

use crate::cli::{ModelsAction, ModelsArgs};
use crate::{output, places};

#[derive(Serialize)]
struct Row {
    package: String,
    slot: Option<&'static str>,
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
    let rows: Vec<Row> = places::installed_packages(&args.inference, &args.data.data_dir)
        .iter()
        .map(|folder| row(folder, &args.inference.index_package))
        .collect();
    if json {
        output::json(&rows)?;
    } else {
        output::line(format_args!(
            "{:<32} {:<8} {:<24} {:<14} {:>8}  state",
            "package", "slot", "task", "licence", "MB"
        ));
        for row in &rows {
            let state = row.problem.as_deref().unwrap_or("verified");
            let slot = row.slot.unwrap_or("-");
            output::line(format_args!(
                "{:<32} {slot:<8} {:<24} {:<14} {:>8.1}  {state}",
                row.package, row.task, row.licence, row.megabytes
            ));
        }
    }
    Ok(if rows.iter().all(|row| row.verified) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn row(folder: &Path, bound: &str) -> Row {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_owned();
    let slot = (name == bound).then_some("INDEX");
    match ModelPackage::open(folder) {
        Ok(package) => {
            let manifest = package.manifest();
            let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
            Row {
                package: package.key().package,
                slot,
                task: manifest.task.clone(),
                licence: manifest.licence.clone(),
                megabytes: bytes as f64 / 1e6,
                verified: true,
                problem: None,
            }
        }
        Err(error) => Row {
            package: name,
            slot,
            task: String::new(),
            licence: String::new(),
            megabytes: 0.0,
            verified: false,
            problem: Some(format!("{:#}", anyhow::Error::new(error))),
        },
    }
}
