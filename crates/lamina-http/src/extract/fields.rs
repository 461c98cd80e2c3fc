//! Named text values of a request, from the query or from a form, read one by one; what is wrong with them is collected, so
//! that one answer tells everything.

use std::str::FromStr;

use lamina_api::FieldError;
use serde_json::Value;
use uuid::Uuid;

use crate::ApiError;

/// Where the values were found; the first word of `loc` in validation errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The query string.
    Query,
    /// A form.
    Body,
}

impl Place {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// Longest value that is echoed in a validation error, in characters.
const MAX_ECHO: usize = 200;

/// The values of one request and what was found wrong with them so far.
///
/// Of a name that is given twice the last value counts, unless its reader asks for [`Self::every`] one. Unknown names are never looked at and so are ignored, as the
/// contract demands.
#[derive(Debug)]
pub struct Fields {
    place: Place,
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

/// A set of parameters that can be read from [`Fields`].
pub trait FromFields: Sized {
    /// Reads the set. A wrong value is reported to `fields` and replaced by anything: the result is thrown away then.
    fn from_fields(fields: &mut Fields) -> Self;
}

impl Fields {
    /// Values that were decoded already.
    pub fn new(place: Place, pairs: Vec<(String, String)>) -> Self {
        Self {
            place,
            pairs,
            errors: Vec::new(),
        }
    }

    /// Values of a form-encoded text: `+` and `%20` are spaces, broken escapes stay as they are.
    pub fn decode(place: Place, encoded: &[u8]) -> Self {
        Self::new(
            place,
            form_urlencoded::parse(encoded).into_owned().collect(),
        )
    }

    /// Adds values that count less than those that are there.
    #[must_use]
    pub fn with_fallback(mut self, other: Self) -> Self {
        self.pairs.splice(0..0, other.pairs);
        self
    }

    /// Reads a set and reports all that is wrong as one 422.
    ///
    /// # Errors
    /// 422 with a list.
    pub fn read<T: FromFields>(mut self) -> Result<T, ApiError> {
        let value = T::from_fields(&mut self);
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(ApiError::fields(self.errors))
        }
    }

    /// What is wrong with these values, as one 422.
    pub fn refused(self) -> ApiError {
        ApiError::fields(self.errors)
    }

    /// Whether anything was found wrong so far.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Takes over what was found wrong with values that are part of these.
    pub fn take_errors(&mut self, inner: Self) {
        self.errors.extend(inner.errors);
    }

    /// The value as it came, if the name is there at all.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of a name that may be given several times, in order.
    pub fn every(&self, name: &str) -> Vec<String> {
        let named = self.pairs.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.clone()).collect()
    }

    /// A text without control characters; an empty one counts as absent.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let value = self.raw(name).filter(|value| !value.is_empty())?.to_owned();
        if value
            .chars()
            .any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
        {
            self.wrong(
                name,
                "string_type",
                "Value should not contain control characters",
            );
            return None;
        }
        Some(value)
    }

    /// The name of a thing: 1 to 255 characters, not blank, on one line.
    pub fn required_name(&mut self, name: &str) -> String {
        let Some(value) = self.text(name) else {
            if !self
                .errors
                .iter()
                .any(|error| error.loc.last() == Some(&lamina_api::LocPart::Name(name.to_owned())))
            {
                self.missing(name);
            }
            return String::new();
        };
        let length = value.chars().count();
        if value.trim().is_empty() || value.contains(['\n', '\r', '\t']) {
            self.wrong(
                name,
                "string_pattern_mismatch",
                "Value should be one line of text",
            );
        } else if length > 255 {
            self.wrong(
                name,
                "string_too_long",
                "String should have at most 255 characters",
            );
        }
        value
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let value = self.raw(name)?;
        match value.parse::<i64>() {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(number) if number < *range.start() => {
                let message = format!("Input should be greater than or equal to {}", range.start());
                self.wrong(name, "greater_than_equal", &message);
                None
            }
            Ok(_) => {
                let message = format!("Input should be less than or equal to {}", range.end());
                self.wrong(name, "less_than_equal", &message);
                None
            }
            Err(_) => {
                self.wrong(name, "int_parsing", "Input should be a valid integer");
                None
            }
        }
    }

    /// A finite number within `range`.
    pub fn float(&mut self, name: &str, range: std::ops::RangeInclusive<f32>) -> Option<f32> {
        let value = self.raw(name)?;
        match value.parse::<f32>() {
            Ok(number) if range.contains(&number) => Some(number),
            Ok(_) => {
                let message = format!(
                    "Input should be a number from {} to {}",
                    range.start(),
                    range.end()
                );
                self.wrong(name, "value_error", &message);
                None
            }
            Err(_) => {
                self.wrong(name, "float_parsing", "Input should be a valid number");
                None
            }
        }
    }

    /// `true`/`false` in any case, or `1`/`0`; an empty value counts as absent.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.raw(name).filter(|value| !value.is_empty())?;
        if value == "1" || value.eq_ignore_ascii_case("true") {
            return Some(true);
        }
        if value == "0" || value.eq_ignore_ascii_case("false") {
            return Some(false);
        }
        self.wrong(name, "bool_parsing", "Input should be a valid boolean");
        None
    }

    /// A hyphenated UUID; an empty value counts as absent.
    pub fn uuid(&mut self, name: &str) -> Option<Uuid> {
        let value = self.raw(name).filter(|value| !value.is_empty())?;
        match uuid::fmt::Hyphenated::from_str(value) {
            Ok(id) => Some(id.into_uuid()),
            Err(_) => {
                self.wrong(name, "uuid_parsing", "Input should be a valid UUID");
                None
            }
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.raw(name)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == value)
            .map(|(_, meaning)| *meaning);
        if found.is_none() {
            let list: Vec<String> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
            self.wrong(
                name,
                "enum",
                &format!("Input should be {}", list.join(" or ")),
            );
        }
        found
    }

    /// Reports a name that is needed and absent.
    pub fn missing(&mut self, name: &str) {
        self.errors.push(FieldError::new(
            "missing",
            self.place.as_str(),
            name,
            "Field required",
            Value::Null,
        ));
    }

    /// Reports a value as wrong without repeating it.
    pub fn wrong_secret(&mut self, name: &str, kind: &str, message: &str) {
        self.errors.push(FieldError::new(
            kind,
            self.place.as_str(),
            name,
            message,
            Value::Null,
        ));
    }

    /// Reports a value as wrong.
    pub fn wrong(&mut self, name: &str, kind: &str, message: &str) {
        let input = self.raw(name).map_or(Value::Null, |value| {
            Value::String(value.chars().take(MAX_ECHO).collect())
        });
        self.errors.push(FieldError::new(
            kind,
            self.place.as_str(),
            name,
            message,
            input,
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(query: &str) -> Fields {
        Fields::decode(Place::Query, query.as_bytes())
    }

    fn kinds(fields: &Fields) -> Vec<&str> {
        fields
            .errors
            .iter()
            .map(|error| error.kind.as_str())
            .collect()
    }

    #[test]
    fn booleans_are_read_as_clients_write_them() {
        let mut read = fields("a=True&b=False&c=1&d=0&e=true&f=FALSE&g=yes&h=");
        let values: Vec<Option<bool>> = ["a", "b", "c", "d", "e", "f", "h", "absent"]
            .iter()
            .map(|name| read.boolean(name))
            .collect();
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(values, [yes, no, yes, no, yes, no, None, None]);
        assert_eq!(read.boolean("g"), None);
        assert_eq!(kinds(&read), ["bool_parsing"]);
    }

    #[test]
    fn numbers_outside_their_range_are_named_as_such() {
        let mut read = fields("a=4&b=5&c=-1&d=x&e=&f=99999999999999999999&g=NaN&h=inf&i=0.5");
        assert_eq!(read.integer("a", 0..=4), Some(4));
        for name in ["b", "c", "d", "e", "f"] {
            assert_eq!(read.integer(name, 0..=4), None);
        }
        assert_eq!(
            (read.float("g", 0.0..=2.0), read.float("h", 0.0..=2.0)),
            (None, None)
        );
        assert_eq!(read.float("i", 0.0..=2.0), Some(0.5));
        assert_eq!(
            kinds(&read),
            [
                "less_than_equal",
                "greater_than_equal",
                "int_parsing",
                "int_parsing",
                "int_parsing",
                "value_error",
                "value_error"
            ]
        );
    }

    #[test]
    fn plus_and_escapes_are_spaces_and_the_last_value_counts() {
        let mut read = fields("name=Road+scenes%20one&name=Road%20two&ids=%5B%5D");
        assert_eq!(read.required_name("name"), "Road two");
        assert_eq!(read.raw("ids"), Some("[]"));
    }

    #[test]
    fn names_are_bounded_and_printable() {
        let long = format!("name={}", "n".repeat(256));
        for query in ["", "name=", "name=%00", "name=a%0ab", "name=%20%20", &long] {
            let mut read = fields(query);
            read.required_name("name");
            assert_eq!(read.errors.len(), 1, "{query}");
        }
    }
}
