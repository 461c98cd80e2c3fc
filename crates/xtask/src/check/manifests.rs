//! Which crate of the workspace may use which, and who owns a heavy dependency.
//!
//! The arrows point one way, from the binary down to the words; `docs/ARCHITECTURE.md` has the picture. Dependencies of
//! tests are free.

use std::path::Path;

use super::{Verdict, verdict_of};
use crate::{programs::Failure, workspace::Workspace};

/// Marks crates that may use all of ours.
const ANY: &[&str] = &["*"];

/// Our crates, and what of ours each may use.
const ARROWS: [(&str, &[&str]); 16] = [
    ("lamina-types", &[]),
    ("lamina-api", &["lamina-types"]),
    ("lamina-media", &["lamina-types"]),
    ("lamina-inference", &["lamina-types", "lamina-media"]),
    ("lamina-index", &["lamina-types"]),
    ("lamina-store", &["lamina-types"]),
    ("lamina-jobs", &["lamina-types"]),
    ("lamina-postgres", &[]),
    (
        "lamina-explore",
        &[
            "lamina-types",
            "lamina-media",
            "lamina-inference",
            "lamina-index",
            "lamina-store",
            "lamina-jobs",
        ],
    ),
    (
        "lamina-export",
        &["lamina-types", "lamina-store", "lamina-explore"],
    ),
    (
        "lamina-pipeline",
        &[
            "lamina-export",
            "lamina-explore",
            "lamina-types",
            "lamina-media",
            "lamina-inference",
            "lamina-index",
            "lamina-store",
            "lamina-jobs",
        ],
    ),
    (
        "lamina-http",
        &[
            "lamina-export",
            "lamina-inference",
            "lamina-types",
            "lamina-api",
            "lamina-media",
            "lamina-explore",
            "lamina-store",
            "lamina-jobs",
        ],
    ),
    (
        "lamina-hub",
        &["lamina-types", "lamina-media", "lamina-inference"],
    ),
    ("lamina-server", ANY),
    ("lamina-testkit", ANY),
    ("xtask", &["lamina-postgres"]),
];

/// Heavy dependencies and the crates that may use them. The test kit may use all of them: it is in no product.
const OWNERS: [(&str, &[&str]); 29] = [
    ("image", &["lamina-media"]),
    ("fast_image_resize", &["lamina-media"]),
    ("libwebp-sys", &["lamina-media"]),
    ("ort", &["lamina-inference"]),
    ("tokenizers", &["lamina-inference"]),
    ("hnsw_rs", &["lamina-index"]),
    ("rayon", &["lamina-index"]),
    (
        "sqlx",
        &[
            "lamina-store",
            "lamina-jobs",
            "lamina-explore",
            "lamina-pipeline",
            "lamina-http",
            "lamina-server",
        ],
    ),
    ("object_store", &["lamina-store"]),
    ("aes-gcm", &["lamina-store"]),
    ("argon2", &["lamina-store"]),
    ("axum", &["lamina-http"]),
    ("tower-http", &["lamina-http"]),
    ("hyper", &["lamina-http"]),
    ("hyper-util", &["lamina-http", "lamina-store"]),
    ("hyper-rustls", &["lamina-store"]),
    ("rustls", &["lamina-store"]),
    ("jsonwebtoken", &["lamina-http"]),
    ("ring", &["lamina-http"]),
    ("utoipa-axum", &["lamina-http"]),
    ("zip", &["lamina-pipeline", "lamina-export"]),
    ("tar", &["lamina-pipeline"]),
    ("parquet", &["lamina-pipeline", "lamina-export"]),
    ("quick-xml", &["lamina-export"]),
    ("clap", &["lamina-server"]),
    ("indicatif", &["lamina-server"]),
    ("anyhow", &["lamina-server"]),
    ("libc", &["lamina-postgres"]),
    ("ureq", &["lamina-hub"]),
];

pub(crate) fn check(workspace: &Workspace) -> Verdict {
    let mut complaints = Vec::new();
    let mut entries: Vec<_> =
        fs_err::read_dir(workspace.root.join("crates"))?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs_err::DirEntry::file_name);
    for entry in entries {
        let manifest = entry.path().join("Cargo.toml");
        if manifest.is_file() {
            complaints.extend(examine(&manifest)?);
        }
    }
    verdict_of(complaints)
}

fn examine(manifest: &Path) -> Result<Vec<String>, Failure> {
    let text = fs_err::read_to_string(manifest)?;
    let name = manifest
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(complaints_about(&name, &dependencies(&text)))
}

fn complaints_about(name: &str, dependencies: &[String]) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "{name}: a crate that crates/xtask/src/check/manifests.rs does not know; a new crate needs a reason"
        )];
    };
    let ours = |dependency: &&String| dependency.starts_with("lamina-") || *dependency == "xtask";
    let wrong_arrows = dependencies
        .iter()
        .filter(ours)
        .filter(|dependency| *allowed != ANY && !allowed.contains(&dependency.as_str()))
        .map(|dependency| {
            format!("{name} may not use {dependency}: arrows between crates point one way")
        });
    let stolen = OWNERS
        .iter()
        .filter(|(dependency, owners)| {
            name != "lamina-testkit"
                && dependencies.iter().any(|used| used == dependency)
                && !owners.contains(&name)
        })
        .map(|(dependency, owners)| {
            format!(
                "{name} may not use {dependency}: its owner is {}",
                owners.join(", ")
            )
        });
    wrong_arrows.chain(stolen).collect()
}

/// The names under `[dependencies]`, `[build-dependencies]` and their forms for some target; those of tests are left out.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut is_inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            let is_product = |kind: &str| section == kind || section.ends_with(&format!(".{kind}"));
            is_inside = is_product("dependencies") || is_product("build-dependencies");
            // The long form: [dependencies.name]
            for kind in ["dependencies.", "build-dependencies."] {
                if let Some((before, name)) = section.split_once(kind)
                    && (before.is_empty() || before.ends_with('.'))
                {
                    names.push(name.to_owned());
                }
            }
        } else if is_inside && !line.starts_with('#') {
            let name: String = line
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
                .collect();
            if !name.is_empty() {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n\n[dependencies]\nort.workspace = true\n# image = \"1\"\n\
        lamina-http = { path = \"../lamina-http\" }\n\n[dependencies.axum]\nversion = \"1\"\n\n\
        [target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n\n[dev-dependencies]\nsqlx.workspace = true\n";

    #[test]
    fn names_of_product_dependencies_are_read() {
        assert_eq!(
            dependencies(MANIFEST),
            ["ort", "lamina-http", "axum", "libc"]
        );
    }

    #[test]
    fn wrong_arrows_and_stolen_dependencies_are_named() {
        let complaints = complaints_about("lamina-index", &dependencies(MANIFEST)).join("\n");
        for expected in [
            "lamina-index may not use lamina-http",
            "may not use ort",
            "may not use axum",
            "may not use libc",
        ] {
            assert!(complaints.contains(expected), "{complaints}");
        }
        assert!(
            complaints_about(
                "lamina-inference",
                &["ort".to_owned(), "lamina-media".to_owned()]
            )
            .is_empty()
        );
        assert_eq!(complaints_about("lamina-extra", &[]).len(), 1);
    }

    #[test]
    fn the_arrows_have_no_circle() {
        for (name, allowed) in ARROWS.iter().filter(|(_, allowed)| *allowed != ANY) {
            let mut reached: Vec<&str> = allowed.to_vec();
            let mut next = 0;
            while let Some(current) = reached.get(next).copied() {
                next += 1;
                let (_, further) = ARROWS.iter().find(|(known, _)| *known == current).unwrap();
                reached.extend(
                    further
                        .iter()
                        .filter(|crate_name| !reached.contains(crate_name))
                        .copied()
                        .collect::<Vec<_>>(),
                );
            }
            assert!(!reached.contains(name), "{name} reaches itself");
        }
    }
}
