//! `make check`: everything that must hold before a change lands, cheapest first.

mod compose;
mod image;
mod licences;
mod lockfile;
mod manifests;
mod migrations;
mod version;
mod yaml;

use std::time::{Duration, Instant};

pub(crate) use migrations::pin as pin_migrations;

use crate::{
    programs::{self, Failure},
    test,
    workspace::Workspace,
};

/// What a step that passed has to say: nothing, or why it had nothing to do.
type Verdict = Result<Option<String>, Failure>;

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Workspace) -> Verdict,
}

const STEPS: [Step; 12] = [
    Step {
        name: "fmt",
        what: "format",
        run: format,
    },
    Step {
        name: "crates",
        what: "which crate may use which",
        run: manifests::check,
    },
    Step {
        name: "lock",
        what: "versions and sources of dependencies",
        run: lockfile::check,
    },
    Step {
        name: "licences",
        what: "licences of dependencies",
        run: licences::check,
    },
    Step {
        name: "migrations",
        what: "landed migrations are unchanged",
        run: migrations::check,
    },
    Step {
        name: "compose",
        what: "docker-compose.yml and Dockerfile",
        run: compose::check,
    },
    Step {
        name: "fresh",
        what: "Cargo.lock fits the manifests",
        run: lock_is_fresh,
    },
    Step {
        name: "deny",
        what: "cargo-deny",
        run: deny,
    },
    Step {
        name: "clippy",
        what: "lints",
        run: clippy,
    },
    Step {
        name: "doc",
        what: "documentation builds without warnings",
        run: documentation,
    },
    Step {
        name: "tests",
        what: "all tests",
        run: tests,
    },
    Step {
        name: "image",
        what: "the image's commands, without rights",
        run: image::check,
    },
];

/// Steps to leave out.
#[derive(Debug, Default)]
pub(crate) struct Skipped(Vec<String>);

impl Skipped {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let names = match arguments {
            [] => return Ok(Self::default()),
            [flag, names] if flag == "--without" => {
                names.split(',').map(str::to_owned).collect::<Vec<_>>()
            }
            _ => return Err(Failure::new("usage: check [--without STEP,...]")),
        };
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(Failure::new(format!(
                "no step {unknown}; there are: {}",
                known.join(", ")
            ))),
            None => Ok(Self(names)),
        }
    }
}

/// Runs every step, also after one that failed, and ends with a summary.
pub(crate) fn check(workspace: &Workspace, skipped: &Skipped) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    let began = Instant::now();
    for step in STEPS
        .iter()
        .filter(|step| !skipped.0.iter().any(|name| name == step.name))
    {
        println!("\n--> {}: {}", step.name, step.what);
        let start = Instant::now();
        let outcome = (step.run)(workspace);
        let word = match &outcome {
            Ok(None) => "ok".to_owned(),
            Ok(Some(note)) => note.clone(),
            Err(failure) => {
                eprintln!("{failure}");
                failed.push(step.name);
                "FAILED".to_owned()
            }
        };
        lines.push(format!(
            "  {:<11}{:>7}  {word}",
            step.name,
            seconds(start.elapsed())
        ));
    }
    println!(
        "\n{}\n  {:<11}{:>7}",
        lines.join("\n"),
        "all",
        seconds(began.elapsed())
    );
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("check failed: {}", failed.join(", "))))
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f32())
}

fn format(workspace: &Workspace) -> Verdict {
    programs::run(&mut workspace.cargo(&["fmt", "--all", "--check"])).map(|()| None)
}

fn clippy(workspace: &Workspace) -> Verdict {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ];
    programs::run(&mut workspace.cargo(&arguments)).map(|()| None)
}

fn documentation(workspace: &Workspace) -> Verdict {
    let mut command = workspace.cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
    ]);
    // Private items are documented for ourselves: links between them are fine, broken ones are not.
    programs::run(command.env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private-intra-doc-links",
    ))
    .map(|()| None)
}

fn lock_is_fresh(workspace: &Workspace) -> Verdict {
    programs::output_of(&mut workspace.cargo(&["metadata", "--locked", "--format-version", "1"]))
        .map(|_| None)
}

fn deny(workspace: &Workspace) -> Verdict {
    if !programs::works("cargo", &["deny", "--version"]) {
        return Ok(Some(
            "skipped: cargo-deny is not installed (cargo install --locked cargo-deny)".to_owned(),
        ));
    }
    programs::run(&mut workspace.cargo(&[
        "deny",
        "--offline",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
    .map(|()| None)
}

fn tests(workspace: &Workspace) -> Verdict {
    test::test(workspace, &[]).map(|()| None)
}

/// One failure out of many complaints, or a pass.
fn verdict_of(complaints: Vec<String>) -> Verdict {
    if complaints.is_empty() {
        Ok(None)
    } else {
        Err(Failure::new(complaints.join("\n")))
    }
}
