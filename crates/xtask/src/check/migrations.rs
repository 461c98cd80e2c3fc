//! Landed migrations never change: databases out there have run them.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
};

use super::{Verdict, verdict_of};
use crate::{
    programs::{Failure, sha256},
    workspace::Workspace,
};

const PINS: &str = "migrations.sha256";

pub(crate) fn check(workspace: &Workspace) -> Verdict {
    let pinned = read_pins(workspace)?;
    let present = checksums(workspace)?;
    let mut complaints = Vec::new();
    for (name, sum) in &pinned {
        match present.get(name) {
            None => complaints.push(format!(
                "migrations/{name} is gone, but databases have run it"
            )),
            Some(now) if now != sum => {
                complaints.push(format!("migrations/{name} has changed, but databases have run it; write a new migration"));
            }
            Some(_) => {}
        }
    }
    for name in present.keys().filter(|name| !pinned.contains_key(*name)) {
        complaints.push(format!(
            "migrations/{name} is new: note it with `cargo run --package xtask -- pin`"
        ));
    }
    verdict_of(complaints)
}

/// Notes the checksums of new migrations. Never touches a line that is there.
pub(crate) fn pin(workspace: &Workspace) -> Result<(), Failure> {
    let mut pins = read_pins(workspace)?;
    for (name, sum) in checksums(workspace)? {
        if let Entry::Vacant(line) = pins.entry(name) {
            println!("pinned {}", line.key());
            line.insert(sum);
        }
    }
    let text: String = pins
        .iter()
        .map(|(name, sum)| format!("{sum}  {name}\n"))
        .collect();
    Ok(fs_err::write(workspace.pin(PINS), text)?)
}

/// The format of `sha256sum`, by name: timestamps in front make that the order in which they run.
fn read_pins(workspace: &Workspace) -> Result<BTreeMap<String, String>, Failure> {
    let text = fs_err::read_to_string(workspace.pin(PINS))?;
    let entry = |line: &str| {
        line.split_once("  ")
            .map(|(sum, name)| (name.to_owned(), sum.to_owned()))
    };
    Ok(text.lines().filter_map(entry).collect())
}

fn checksums(workspace: &Workspace) -> Result<BTreeMap<String, String>, Failure> {
    let mut sums = BTreeMap::new();
    let paths: Vec<PathBuf> = fs_err::read_dir(workspace.root.join("migrations"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    for path in paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
    {
        if let Some(name) = path.file_name() {
            sums.insert(name.to_string_lossy().into_owned(), sha256(&path)?);
        }
    }
    Ok(sums)
}
