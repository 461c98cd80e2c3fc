//! `lamina models`: packages and what answers to each slot.

mod add;
pub mod args;
mod bench;
mod bind;
mod list;
mod pull;
mod remove;
mod verify;

use std::process::ExitCode;

use anyhow::Context as _;
use lamina_inference::{PackageFolders, PackageState};
use lamina_store::bindings::{Binding, Bindings};

use crate::home::{Home, Stay};
use crate::{places, slots};
use args::{ModelsAction, ModelsArgs};

/// Folder of the private database below the data directory.
const CLUSTER: &str = "postgres";

/// Does what the command line says.
///
/// # Errors
/// Each message says what is missing and how to get it.
pub async fn run(args: ModelsArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        ModelsAction::List { json } => list::run(&args, *json).await,
        ModelsAction::Pull(pull) => pull::run(&args, pull).await,
        ModelsAction::Add(add) => add::run(&args, add),
        ModelsAction::Verify { packages } => verify::run(&args, packages),
        ModelsAction::Bind(bind) => bind::run(&args, bind).await,
        ModelsAction::Bench(bench) => bench::run(&args, bench).await,
        ModelsAction::Remove { package, force } => remove::run(&args, package, *force).await,
    }
}

fn folders(args: &ModelsArgs) -> PackageFolders {
    PackageFolders::new(places::model_folders(&args.inference, &args.data.data_dir))
}

/// The data directory, opened, if there is a database yet; a list must not make one.
async fn home_if_there(args: &ModelsArgs) -> anyhow::Result<Option<Home>> {
    let is_there =
        args.database.database_url.is_some() || args.data.data_dir.join(CLUSTER).is_dir();
    if !is_there {
        return Ok(None);
    }
    Home::open(&args.data, &args.database, Stay::Visitor)
        .await
        .map(Some)
}

/// What answers to every slot now.
async fn bound(bindings: &Bindings, home: Option<&Home>) -> anyhow::Result<Vec<Binding>> {
    let Some(home) = home else {
        let fixed_or_default = |slot| {
            bindings
                .fixed(slot)
                .or_else(|| bindings.default_of(slot))
                .cloned()
        };
        return Ok(slots::all()
            .into_iter()
            .filter_map(fixed_or_default)
            .collect());
    };
    Ok(bindings.all(&home.pool).await?)
}

/// The installed package that the operator means.
fn find(folders: &PackageFolders, text: &str) -> anyhow::Result<PackageState> {
    let name = folders
        .resolve(text)
        .with_context(|| slots::not_found(text, folders))?;
    let mut all = folders.packages().into_iter();
    all.find(|state| state.package == name)
        .with_context(|| slots::not_found(text, folders))
}

/// The whole chain of causes in one line.
fn problem(state: &PackageState) -> Option<String> {
    let problem = state.problem.as_ref()?;
    Some(format!(
        "{:#}",
        anyhow::Error::new(std::sync::Arc::clone(problem))
    ))
}
