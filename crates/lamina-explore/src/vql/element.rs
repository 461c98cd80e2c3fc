//! The body of one filter, read member by member.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{MAX_VALUES, Reader, VqlError, shortened};

/// Longest text to search for, in bytes; far more than any model or caption has.
pub(crate) const MAX_TEXT_BYTES: usize = 8 * 1024;

/// The members of one filter. Those that nobody asks for are ignored, as the contract demands.
pub(crate) struct Element<'a> {
    reader: &'a mut Reader,
    members: &'a Map<String, Value>,
    place: String,
}

impl<'a> Element<'a> {
    pub(crate) fn new(
        reader: &'a mut Reader,
        body: &'a Value,
        place: String,
    ) -> Result<Self, VqlError> {
        let Value::Object(members) = body else {
            return Err(VqlError::new(place, "dict_type", "should be an object"));
        };
        Ok(Self {
            reader,
            members,
            place,
        })
    }

    /// An error about a member.
    pub(crate) fn wrong(
        &self,
        member: &str,
        kind: &'static str,
        message: impl Into<String>,
    ) -> VqlError {
        VqlError::new(format!("{}.{member}", self.place), kind, message)
    }

    /// An error about the filter itself.
    pub(crate) fn unknown(&self, known: &[&str]) -> VqlError {
        let message = format!("unknown filter; known are {}", known.join(", "));
        VqlError::new(self.place.clone(), "extra_forbidden", message)
    }

    /// A member that may be absent; null is absent.
    fn optional(&self, member: &str) -> Option<&'a Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    fn required(&self, member: &str) -> Result<&'a Value, VqlError> {
        self.optional(member)
            .ok_or_else(|| self.wrong(member, "missing", "is required"))
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, member: &str, words: &[(&str, T)]) -> Result<T, VqlError> {
        self.word_of(member, self.required(member)?, words)
    }

    /// One of a few words, or nothing.
    pub(crate) fn optional_word<T: Copy>(
        &self,
        member: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, VqlError> {
        self.optional(member)
            .map(|value| self.word_of(member, value, words))
            .transpose()
    }

    fn word_of<T: Copy>(
        &self,
        member: &str,
        value: &Value,
        words: &[(&str, T)],
    ) -> Result<T, VqlError> {
        let found = value
            .as_str()
            .and_then(|word| words.iter().find(|(known, _)| *known == word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(
                member,
                "enum",
                format!("should be one of {}", known.join(", ")),
            )
        })
    }

    /// A text that is not blank.
    pub(crate) fn text(&self, member: &str) -> Result<String, VqlError> {
        let Some(text) = self.required(member)?.as_str() else {
            return Err(self.wrong(member, "string_type", "should be a string"));
        };
        if text.trim().is_empty() {
            return Err(self.wrong(member, "string_too_short", "should not be blank"));
        }
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("should have at most {MAX_TEXT_BYTES} bytes");
            return Err(self.wrong(member, "string_too_long", message));
        }
        if text.contains('\0') {
            return Err(self.wrong(member, "string_type", "should not contain NUL"));
        }
        Ok(text.to_owned())
    }

    /// A text that is not blank, or nothing.
    pub(crate) fn optional_text(&self, member: &str) -> Result<Option<String>, VqlError> {
        match self.optional(member) {
            Some(_) => self.text(member).map(Some),
            None => Ok(None),
        }
    }

    /// A number within `range`.
    pub(crate) fn number(&self, member: &str, range: RangeInclusive<f64>) -> Result<f32, VqlError> {
        self.double_of(member, self.required(member)?, range)
            .map(|number| number as f32)
    }

    /// A number within `range`, or nothing.
    pub(crate) fn optional_number(
        &self,
        member: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f32>, VqlError> {
        let number = self.optional_double(member, range)?;
        Ok(number.map(|number| number as f32))
    }

    /// A number within `range` in full precision, or nothing.
    pub(crate) fn optional_double(
        &self,
        member: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, VqlError> {
        self.optional(member)
            .map(|value| self.double_of(member, value, range))
            .transpose()
    }

    fn double_of(
        &self,
        member: &str,
        value: &Value,
        range: RangeInclusive<f64>,
    ) -> Result<f64, VqlError> {
        let Some(number) = value.as_f64() else {
            return Err(self.wrong(member, "float_type", "should be a number"));
        };
        if !range.contains(&number) {
            let message = format!("should be from {} to {}", range.start(), range.end());
            return Err(self.wrong(member, "value_error", message));
        }
        Ok(number)
    }

    /// A list of strings, or one string; not empty.
    pub(crate) fn strings(&mut self, member: &str) -> Result<Vec<String>, VqlError> {
        let value = self.required(member)?;
        let list = match value.as_array() {
            Some(list) => list.as_slice(),
            None => std::slice::from_ref(value),
        };
        self.reader.values += list.len();
        if self.reader.values > MAX_VALUES {
            let message = format!("more than {MAX_VALUES} values in all filters together");
            return Err(self.wrong(member, "too_long", message));
        }
        if list.is_empty() {
            return Err(self.wrong(member, "too_short", "should not be empty"));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts: Option<Vec<String>> = list.iter().map(text).collect();
        texts.ok_or_else(|| self.wrong(member, "string_type", "should be strings"))
    }

    /// A list of ids, or one.
    pub(crate) fn uuids(&mut self, member: &str) -> Result<Vec<Uuid>, VqlError> {
        let texts = self.strings(member)?;
        texts
            .iter()
            .map(|text| self.uuid_of(member, text))
            .collect()
    }

    /// An id.
    pub(crate) fn uuid(&self, member: &str) -> Result<Uuid, VqlError> {
        let text = self.text(member)?;
        self.uuid_of(member, &text)
    }

    fn uuid_of(&self, member: &str, text: &str) -> Result<Uuid, VqlError> {
        let parsed: Result<uuid::fmt::Hyphenated, _> = text.parse();
        parsed.map(uuid::fmt::Hyphenated::into_uuid).map_err(|_| {
            let message = format!("{:?} is not a UUID", shortened(text));
            self.wrong(member, "uuid_parsing", message)
        })
    }
}
