//! Every dependency has a licence that allows what we do with it.
//!
//! The list of licences is `deny.toml`'s; this check needs no tool and no network.

use super::{Verdict, verdict_of};
use crate::{programs::output_of, workspace::Workspace};

pub(crate) fn check(workspace: &Workspace) -> Verdict {
    let metadata =
        output_of(&mut workspace.cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    let deny = fs_err::read_to_string(workspace.root.join("deny.toml"))?;
    let allowed = allowed_licences(&deny);
    let complaints = packages(&metadata)
        .into_iter()
        .filter(|(_, licence)| !is_allowed(licence, &allowed))
        .map(|(name, licence)| format!("{name}: licence {licence} is not on the list in deny.toml"))
        .collect();
    verdict_of(complaints)
}

/// The texts of `allow = [...]` under `[licenses]`.
fn allowed_licences(deny: &str) -> Vec<String> {
    let Some((_, section)) = deny.split_once("[licenses]") else {
        return Vec::new();
    };
    let Some((_, list)) = section.split_once("allow = [") else {
        return Vec::new();
    };
    let list = list.split(']').next().unwrap_or_default();
    list.split('"')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Name and licence of every package. Cargo writes the fields of a package in a fixed order: name, version, id, licence.
fn packages(metadata: &str) -> Vec<(String, String)> {
    metadata
        .split("{\"name\":\"")
        .skip(1)
        .filter_map(|rest| {
            let (name, rest) = rest.split_once('"')?;
            // Dependencies and targets within a package begin the same way, but without a version behind the name.
            let rest = rest.strip_prefix(",\"version\":")?;
            let (_, licence) = rest.split_once("\"license\":")?;
            let licence = match licence.strip_prefix('"') {
                Some(text) => text.split('"').next()?.to_owned(),
                None => "(none)".to_owned(),
            };
            Some((name.to_owned(), licence))
        })
        .collect()
}

/// Reads `(MIT OR Apache-2.0) AND Unicode-3.0`: all parts joined by AND must be allowed, one of those joined by OR.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.trim();
    // Older manifests write a slash for OR.
    let expression = expression.replace('/', " OR ");
    split_outside(&expression, " AND ").iter().all(|part| {
        let part = part.trim();
        let inner = part
            .strip_prefix('(')
            .and_then(|part| part.strip_suffix(')'));
        match inner {
            Some(inner) if inner.contains(" AND ") => is_allowed(inner, allowed),
            _ => inner
                .unwrap_or(part)
                .split(" OR ")
                .any(|name| allowed.iter().any(|known| known == name.trim())),
        }
    })
}

/// Splits where the separator is outside of brackets.
fn split_outside<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (at, _) in text.match_indices(separator) {
        let depth = text[..at]
            .matches('(')
            .count()
            .saturating_sub(text[..at].matches(')').count());
        if depth == 0 {
            parts.push(&text[begin..at]);
            begin = at + separator.len();
        }
    }
    parts.push(&text[begin..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for fine in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 OR (GPL-2.0 AND X)",
        ] {
            assert!(is_allowed(fine, &allowed), "{fine}");
        }
        for wrong in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "(none)",
            "",
        ] {
            assert!(!is_allowed(wrong, &allowed), "{wrong}");
        }
    }

    #[test]
    fn packages_are_told_from_their_dependencies() {
        let metadata = r#"{"packages":[{"name":"a","version":"1.0.0","id":"x","license":"MIT","dependencies":[{"name":"b","source":null}]},{"name":"b","version":"1.0.0","id":"y","license":null}]}"#;
        assert_eq!(
            packages(metadata),
            [("a".into(), "MIT".into()), ("b".into(), "(none)".into())]
        );
    }

    #[test]
    fn the_list_is_read_from_the_deny_file() {
        assert_eq!(
            allowed_licences("[licenses]\nallow = [\n \"MIT\",\n \"X WITH Y\",\n]\n[bans]\n"),
            ["MIT", "X WITH Y"]
        );
    }
}
