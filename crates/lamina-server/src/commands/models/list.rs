//! `lamina models list`.

use std::process::ExitCode;

use lamina_hub::{Catalog, CatalogEntry};
use lamina_inference::PackageState;
use lamina_store::bindings::Binding;
use lamina_types::Slot;
use serde::Serialize;

use super::args::ModelsArgs;
use crate::{output, places, slots};

/// One line: a slot with its package, a package without a slot, or an entry that can be pulled.
#[derive(Debug, Default, Serialize)]
struct Row {
    slot: Option<String>,
    slot_name: Option<&'static str>,
    package: Option<String>,
    parameters: String,
    family: Option<&'static str>,
    licence: Option<String>,
    bytes: Option<u64>,
    installed: bool,
    verified: bool,
    /// Whether a client can ask for it: the package of the slot is there, verified and of a family that can answer.
    active: bool,
    problem: Option<String>,
}

#[derive(Serialize)]
struct Listing {
    slots: Vec<Row>,
    packages: Vec<Row>,
    catalog: Vec<Row>,
}

/// Lists.
///
/// # Errors
/// The database, the catalog.
pub async fn run(args: &ModelsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let folders = super::folders(args);
    let bindings = slots::bindings(&args.inference, &folders)?;
    let home = super::home_if_there(args).await?;
    let bound = super::bound(&bindings, home.as_ref()).await;
    if let Some(home) = home {
        home.close().await;
    }
    let bound = bound?;
    let packages = folders.packages();
    let catalog = Catalog::read(&places::model_folders(&args.inference, &args.data.data_dir))?;
    let listing = listing(&bound, &packages, &catalog);
    if json {
        output::json(&listing)?;
    } else {
        print(&listing);
    }
    let is_whole = packages.iter().all(PackageState::is_verified);
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn listing(bound: &[Binding], packages: &[PackageState], catalog: &Catalog) -> Listing {
    let of_slot = |slot: &'static str| {
        let binding = bound.iter().find(|binding| binding.slot == slot);
        slot_row(slot, binding, packages)
    };
    let slots: Vec<Row> = slots::all().into_iter().map(of_slot).collect();
    let is_bound = |name: &str| bound.iter().any(|binding| binding.package == name);
    let others = packages.iter().filter(|state| !is_bound(&state.package));
    // An entry that was not pinned has become a version with a suffix.
    let is_installed = |entry: &CatalogEntry| {
        let prefix = format!("{}@", entry.name());
        packages
            .iter()
            .any(|state| state.package.starts_with(&prefix))
    };
    let missing = catalog
        .entries()
        .iter()
        .filter(|entry| !is_installed(entry));
    Listing {
        slots,
        packages: others.map(package_row).collect(),
        catalog: missing.map(entry_row).collect(),
    }
}

fn slot_row(slot: &str, binding: Option<&Binding>, packages: &[PackageState]) -> Row {
    let state = binding.and_then(|binding| {
        packages
            .iter()
            .find(|state| state.package == binding.package)
    });
    let family = state.and_then(PackageState::family);
    let fits = family.is_some_and(|family| slots::families(slot).contains(&family));
    let row = state.map(package_row).unwrap_or_default();
    let misfit = family.filter(|_| !fits).map(|family| {
        format!(
            "a package of the family {} cannot answer to this slot",
            family.as_str()
        )
    });
    Row {
        slot: Some(slot.to_owned()),
        slot_name: Slot::find(slot).map(|slot| slot.name),
        package: binding.map(|binding| binding.package.clone()),
        parameters: binding
            .map(|binding| binding.key().parameters)
            .unwrap_or_default(),
        active: row.verified && fits,
        problem: row.problem.clone().or(misfit),
        ..row
    }
}

fn package_row(state: &PackageState) -> Row {
    Row {
        package: Some(state.package.clone()),
        family: state.family().map(lamina_inference::Family::as_str),
        licence: state
            .manifest
            .as_ref()
            .map(|manifest| manifest.licence.clone()),
        bytes: Some(state.bytes()),
        installed: true,
        verified: state.is_verified(),
        problem: super::problem(state),
        ..Row::default()
    }
}

fn entry_row(entry: &CatalogEntry) -> Row {
    Row {
        package: Some(entry.name().to_owned()),
        family: Some(entry.outline().family.as_str()),
        licence: Some(entry.licence().to_owned()),
        bytes: entry.bytes(),
        ..Row::default()
    }
}

fn print(listing: &Listing) {
    let head = [
        "slot",
        "package",
        "family",
        "licence",
        "MB",
        "installed",
        "verified",
        "active",
    ];
    let mut table = vec![head.map(str::to_owned)];
    for rows in [&listing.slots, &listing.packages, &listing.catalog] {
        table.extend(rows.iter().map(cells));
    }
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in &table {
        let cells = row.iter().zip(&widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| {
            // Numbers to the right.
            if column == 4 {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        output::line(padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    for row in listing.slots.iter().chain(&listing.packages) {
        if let Some(problem) = &row.problem {
            let name = row
                .package
                .as_deref()
                .or(row.slot.as_deref())
                .unwrap_or_default();
            output::line(format_args!("\n{name}: {problem}"));
        }
    }
    if !listing.catalog.is_empty() {
        output::line("\nWhat is not installed can be fetched by `lamina models pull PACKAGE`.");
    }
}

fn cells(row: &Row) -> [String; 8] {
    let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let yes = |is: bool| if is { "yes" } else { "-" }.to_owned();
    let name = match (&row.package, row.parameters.as_str()) {
        (Some(package), "") => package.clone(),
        (Some(package), parameters) => format!("{package} {parameters}"),
        (None, _) => "-".to_owned(),
    };
    let active = match (&row.slot, row.active) {
        (None, _) => "-",
        (Some(_), true) => "Active",
        (Some(_), false) => "Coming Soon",
    };
    [
        text(row.slot.as_deref()),
        name,
        text(row.family),
        text(row.licence.as_deref()),
        row.bytes.map_or_else(
            || "-".to_owned(),
            |bytes| format!("{:.1}", bytes as f64 / 1e6),
        ),
        yes(row.installed),
        yes(row.verified),
        active.to_owned(),
    ]
}
