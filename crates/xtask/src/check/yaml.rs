//! The part of YAML that our compose file is written in: maps and lists by indentation, lists and text in one line,
//! comments. Anything else is refused, so that nothing is read wrongly.

use crate::programs::Failure;

/// A value; maps keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Yaml {
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Yaml {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let lines: Vec<Line<'_>> = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| Line {
                number,
                indent: line.len() - line.trim_start().len(),
                text: line.trim(),
            })
            .collect();
        let mut rest = lines.as_slice();
        let value = block(&mut rest, 0)?;
        match rest.first() {
            None => Ok(value),
            Some(line) => Err(line.refuse("does not fit the indentation above")),
        }
    }

    /// The value under a key of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The value at the end of a way of keys.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    pub(crate) fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Map(entries) => entries,
            Self::Text(_) | Self::List(_) => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Text(_) | Self::Map(_) => &[],
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The texts of a list.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.items().iter().filter_map(Self::text).collect()
    }
}

#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

impl Line<'_> {
    fn refuse(&self, why: &str) -> Failure {
        Failure::new(format!("line {}: {why}: {}", self.number, self.text))
    }
}

fn block(lines: &mut &[Line<'_>], indent: usize) -> Result<Yaml, Failure> {
    match lines.first() {
        Some(line) if line.text.starts_with("- ") => list(lines, indent),
        _ => map(lines, indent),
    }
}

fn list(lines: &mut &[Line<'_>], indent: usize) -> Result<Yaml, Failure> {
    let mut items = Vec::new();
    while let Some((line, rest)) = lines
        .split_first()
        .filter(|(line, _)| line.indent == indent)
    {
        let Some(item) = line.text.strip_prefix("- ") else {
            return Err(line.refuse("a list item was expected"));
        };
        if key_of(item).is_some() {
            // A map whose first key stands behind the dash: read it as if the dash were a space.
            let inner = Line {
                number: line.number,
                indent: indent + 2,
                text: item,
            };
            let end = rest
                .iter()
                .position(|next| next.indent <= indent)
                .unwrap_or(rest.len());
            let own: Vec<Line<'_>> = std::iter::once(inner)
                .chain(rest[..end].iter().copied())
                .collect();
            let mut own_rest = own.as_slice();
            items.push(map(&mut own_rest, indent + 2)?);
            if let Some(left) = own_rest.first() {
                return Err(left.refuse("does not fit the indentation above"));
            }
            *lines = &rest[end..];
        } else {
            items.push(scalar(line, item)?);
            *lines = rest;
        }
    }
    Ok(Yaml::List(items))
}

fn map(lines: &mut &[Line<'_>], indent: usize) -> Result<Yaml, Failure> {
    let mut entries: Vec<(String, Yaml)> = Vec::new();
    while let Some((line, rest)) = lines
        .split_first()
        .filter(|(line, _)| line.indent == indent)
    {
        let Some((key, value)) = key_of(line.text) else {
            return Err(line.refuse("a key was expected"));
        };
        if entries.iter().any(|(known, _)| known == key) {
            return Err(line.refuse("this key is there twice"));
        }
        *lines = rest;
        let value = match (value, rest.first()) {
            ("", Some(next)) if next.indent > indent => block(lines, next.indent)?,
            ("", _) => Yaml::Text(String::new()),
            ("{}", _) => Yaml::Map(Vec::new()),
            (value, _) => scalar(line, value)?,
        };
        entries.push((key.to_owned(), value));
    }
    Ok(Yaml::Map(entries))
}

/// Splits `key: value`; a colon within text is none of ours.
fn key_of(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text
        .split_once(": ")
        .or_else(|| text.strip_suffix(':').map(|key| (key, "")))?;
    let is_plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_plain.then_some((key, value.trim()))
}

fn scalar(line: &Line<'_>, text: &str) -> Result<Yaml, Failure> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        return inner
            .split(',')
            .map(|item| scalar(line, item.trim()))
            .collect::<Result<_, _>>()
            .map(Yaml::List);
    }
    if let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        return if inner.contains(['"', '\\']) {
            Err(line.refuse("escapes are not read"))
        } else {
            Ok(Yaml::Text(inner.to_owned()))
        };
    }
    if text.starts_with(['&', '*', '!', '|', '>', '{', '\'', '"', '[']) {
        return Err(line.refuse("this form of YAML is not used here"));
    }
    Ok(Yaml::Text(text.to_owned()))
}

/// A `#` begins a comment at the start of a line or behind a space, outside of quotes.
fn without_comment(line: &str) -> &str {
    let mut is_quoted = false;
    let mut previous = ' ';
    for (at, character) in line.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            '#' if !is_quoted && previous == ' ' => return &line[..at],
            _ => {}
        }
        previous = character;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_forms_are_read() {
        let text = "# top\na: 1\nb:\n  c: \"x # y\" # z\n  d:\n    - one:2\n    - driver: n\n      caps: [g, h]\n    - \"t\"\n  e: {}\nf: postgres://l@p/l\n";
        let yaml = Yaml::parse(text).unwrap();
        assert_eq!(yaml.get("a").and_then(Yaml::text), Some("1"));
        assert_eq!(yaml.at(&["b", "c"]).and_then(Yaml::text), Some("x # y"));
        let list = yaml.at(&["b", "d"]).unwrap();
        assert_eq!(list.texts(), ["one:2", "t"]);
        assert_eq!(list.items()[1].get("caps").unwrap().texts(), ["g", "h"]);
        assert_eq!(yaml.at(&["b", "e"]), Some(&Yaml::Map(Vec::new())));
        assert_eq!(yaml.get("f").and_then(Yaml::text), Some("postgres://l@p/l"));
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "a: &x 1",
            "a: |\n  b",
            "a: 1\na: 2",
            "a: 1\n   b: 2",
            "- a\nb: 1",
            "a: 'x'",
        ] {
            assert!(Yaml::parse(text).is_err(), "{text}");
        }
    }
}
