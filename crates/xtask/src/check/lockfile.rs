//! What the lock file says: no banned crate, no version with a known hole, no second copy of some, one registry.

use super::{Verdict, verdict_of, version::Version};
use crate::workspace::Workspace;

/// Each with what it would mean.
const BANNED: [(&str, &str); 6] = [
    ("openssl-sys", "TLS is rustls with ring"),
    ("native-tls", "TLS is rustls with ring"),
    ("aws-lc-sys", "minutes of C; TLS is rustls with ring"),
    ("rsa", "timing leak RUSTSEC-2023-0071; tokens are HS256"),
    ("serde_yaml", "unmaintained"),
    ("pprof", "for measuring only, never in the product"),
];

/// A second version means two sets of types, or an old line with holes beside the new one.
const SINGLE: [&str; 6] = ["image", "hyper", "rustls", "sqlx", "axum", "ort"];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    /// `None` for our own.
    source: Option<String>,
}

pub(crate) fn check(workspace: &Workspace) -> Verdict {
    let lock = fs_err::read_to_string(workspace.root.join("Cargo.lock"))?;
    let minimum = fs_err::read_to_string(workspace.pin("minimum-versions.txt"))?;
    verdict_of(complaints(&packages(&lock), &minimum))
}

fn packages(lock: &str) -> Vec<Package> {
    let field = |block: &str, name: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .skip(1)
        .filter_map(|block| {
            Some(Package {
                name: field(block, "name")?,
                version: field(block, "version")?,
                source: field(block, "source"),
            })
        })
        .collect()
}

fn complaints(packages: &[Package], minimum: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        if let Some((name, why)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            complaints.push(format!("{name} is banned: {why}"));
        }
        if package
            .source
            .as_deref()
            .is_some_and(|source| source != REGISTRY)
        {
            complaints.push(format!(
                "{} comes from somewhere else than the public registry",
                package.name
            ));
        }
    }
    for name in SINGLE {
        let versions: Vec<&str> = packages
            .iter()
            .filter(|package| package.name == name)
            .map(|package| package.version.as_str())
            .collect();
        if versions.len() > 1 {
            complaints.push(format!(
                "{name} is there more than once: {}",
                versions.join(", ")
            ));
        }
    }
    for line in minimum
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
    {
        complaints.extend(below_minimum(line, packages));
    }
    complaints
}

/// Holds the packages against one line: `crate version why`, where `crate@0.9` means only versions of that line.
fn below_minimum(line: &str, packages: &[Package]) -> Vec<String> {
    let mut words = line.split_whitespace();
    let (Some(subject), Some(Some(lowest))) = (words.next(), words.next().map(Version::parse))
    else {
        return vec![format!("minimum-versions.txt: not understood: {line}")];
    };
    let why = words.collect::<Vec<_>>().join(" ");
    let (name, of_line) = subject
        .split_once('@')
        .map_or((subject, None), |(name, of_line)| (name, Some(of_line)));
    packages
        .iter()
        .filter(|package| package.name == name)
        .filter(|package| {
            Version::parse(&package.version).is_none_or(|version| {
                of_line.is_none_or(|of_line| version.is_of_line(of_line)) && version < lowest
            })
        })
        .map(|package| format!("{name} {} is too old: {why}", package.version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"h2\"\nversion = \"0.4.2\"\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n\
        [[package]]\nname = \"rand\"\nversion = \"0.8.8\"\nsource = \"git+https://example.org/rand\"\n\n\
        [[package]]\nname = \"rand\"\nversion = \"0.9.1\"\n\n[[package]]\nname = \"rsa\"\nversion = \"1.0.0\"\n\n\
        [[package]]\nname = \"image\"\nversion = \"0.24.0\"\n\n[[package]]\nname = \"image\"\nversion = \"0.25.0\"\n";

    #[test]
    fn every_kind_of_fault_is_found() {
        let found = complaints(
            &packages(LOCK),
            "# a comment\nh2 0.4.16 frames\nrand@0.8 0.8.6 unsound\nrand@0.9 0.9.3 unsound\n",
        );
        let expected = [
            "rand comes from somewhere else than the public registry",
            "rsa is banned: timing leak RUSTSEC-2023-0071; tokens are HS256",
            "image is there more than once: 0.24.0, 0.25.0",
            "h2 0.4.2 is too old: frames",
            "rand 0.9.1 is too old: unsound",
        ];
        assert_eq!(found, expected);
    }
}
