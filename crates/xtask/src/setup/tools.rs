//! The tools that nobody can fetch for the user.

use crate::programs::{Failure, works};

struct Tool {
    name: &'static str,
    /// Programs of which one is enough.
    any_of: &'static [&'static str],
    needed_for: &'static str,
    remedy: &'static str,
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "cargo",
        any_of: &["cargo"],
        needed_for: "building (Rust 1.95 or newer)",
        remedy: "https://rustup.rs, then `rustup toolchain install stable`",
    },
    Tool {
        name: "C compiler",
        any_of: &["cc", "gcc", "clang"],
        needed_for: "linking, and the C parts of a few libraries",
        remedy: "apt-get install build-essential   (dnf install gcc gcc-c++, apk add build-base)",
    },
];

/// Fails with all that is missing, at once, each with its remedy.
pub(crate) fn check() -> Result<String, Failure> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for tool in &TOOLS {
        match tool
            .any_of
            .iter()
            .find(|program| works(program, &["--version"]))
        {
            Some(program) => found.push(*program),
            None => missing.push(format!(
                "  {}, for {}:\n      {}",
                tool.name, tool.needed_for, tool.remedy
            )),
        }
    }
    if missing.is_empty() {
        return Ok(found.join(", "));
    }
    Err(Failure::new(format!(
        "This machine lacks:\n{}",
        missing.join("\n")
    )))
}
