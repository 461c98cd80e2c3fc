//! VQL: a JSON array of filters, all of which a member must pass (contract 6).
//!
//! Each element is an object with exactly one filter key, and optionally an `id` that means nothing. Beyond the contract,
//! `{"and": [..]}`, `{"or": [..]}` and `{"not": {..}}` group filters. What a filter key means is the matter of its own file
//! in `filters/`; here are only the shape of the document and its limits.

mod element;
mod error;
mod once_each;

use serde_json::Value;

pub(crate) use element::Element;
pub use error::VqlError;
use once_each::OnceEach;

use crate::filters::{Filter, Leaf};

/// Longest document, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;

/// Most filters of a document, groups included.
pub const MAX_FILTERS: usize = 32;

/// Most entries of all lists of values of a document together.
pub const MAX_VALUES: usize = 1_000;

/// How deep groups may be nested.
pub const MAX_DEPTH: usize = 4;

/// Reads a document; an empty one filters nothing.
///
/// # Errors
/// The first thing that is wrong, with the element it is wrong in.
pub fn parse(document: &str) -> Result<Vec<Filter>, VqlError> {
    if document.len() > MAX_BYTES {
        let message = format!("should have at most {MAX_BYTES} bytes");
        return Err(VqlError::new("vql", "string_too_long", message));
    }
    if document.trim().is_empty() {
        return Ok(Vec::new());
    }
    let read: Result<OnceEach, _> = serde_json::from_str(document);
    let OnceEach(value) = read
        .map_err(|error| VqlError::new("vql", "json_invalid", format!("is not JSON: {error}")))?;
    Reader::default().list(&value, "vql", 0)
}

/// What is left of the limits.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    filters: usize,
    values: usize,
}

impl Reader {
    fn list(&mut self, value: &Value, place: &str, depth: usize) -> Result<Vec<Filter>, VqlError> {
        let Value::Array(elements) = value else {
            return Err(VqlError::new(place, "list_type", "should be an array"));
        };
        elements
            .iter()
            .enumerate()
            .map(|(index, element)| self.filter(element, &format!("{place}[{index}]"), depth))
            .collect()
    }

    fn filter(&mut self, value: &Value, place: &str, depth: usize) -> Result<Filter, VqlError> {
        self.filters += 1;
        if self.filters > MAX_FILTERS {
            let message = format!("more than {MAX_FILTERS} filters");
            return Err(VqlError::new(place, "too_long", message));
        }
        let Value::Object(members) = value else {
            return Err(VqlError::new(place, "dict_type", "should be an object"));
        };
        let mut keys = members.iter().filter(|(key, _)| *key != "id");
        let (key, body) = match (keys.next(), keys.next()) {
            (Some(only), None) => only,
            (None, _) => return Err(VqlError::new(place, "missing", "has no filter")),
            (Some(_), Some(_)) => {
                let message = "should have exactly one filter, and nothing else but an id";
                return Err(VqlError::new(place, "value_error", message));
            }
        };
        let inside = format!("{place}.{}", shortened(key));
        match key.as_str() {
            "and" => Ok(Filter::All(self.group(body, &inside, depth)?)),
            "or" => Ok(Filter::Any(self.group(body, &inside, depth)?)),
            "not" => {
                let depth = deeper(depth, &inside)?;
                let negated = self.filter(body, &inside, depth)?;
                Ok(Filter::Not(Box::new(negated)))
            }
            _ => Leaf::read(key, &mut Element::new(self, body, inside)?).map(Filter::Is),
        }
    }

    fn group(&mut self, body: &Value, place: &str, depth: usize) -> Result<Vec<Filter>, VqlError> {
        let parts = self.list(body, place, deeper(depth, place)?)?;
        if parts.is_empty() {
            return Err(VqlError::new(place, "too_short", "should not be empty"));
        }
        Ok(parts)
    }
}

fn deeper(depth: usize, place: &str) -> Result<usize, VqlError> {
    if depth >= MAX_DEPTH {
        let message = format!("groups are nested more than {MAX_DEPTH} deep");
        return Err(VqlError::new(place, "too_deep", message));
    }
    Ok(depth + 1)
}

/// A word of the caller's, short enough for a message.
fn shortened(word: &str) -> String {
    word.chars().take(40).filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
