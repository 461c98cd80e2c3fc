//! JSON bodies, read whole under a limit and a time: of any shape, or one object whose members are read like the fields of a form.

use axum::extract::{FromRequest, Request};
use lamina_api::{FieldError, LocPart};
use serde_json::{Map, Value};

use super::form::read_whole;
use super::{Fields, Place};
use crate::ApiError;

/// Largest body of any shape, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Largest body of fields, in bytes: some 100,000 ids.
const MAX_FIELDS_BYTES: usize = 4 * 1024 * 1024;

/// A JSON body whose meaning is checked by hand. Depth is bounded by the parser (128), size by the reader.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_whole(request.into_body(), MAX_BODY_BYTES).await?;
        parse(&bytes).map(Self)
    }
}

/// The members of a JSON object. Texts are themselves, everything else is its JSON text, and null is absent, so that
/// members are read as parameters of a query are.
#[derive(Debug)]
pub(crate) struct JsonFields(pub(crate) Fields);

impl<S: Send + Sync> FromRequest<S> for JsonFields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_whole(request.into_body(), MAX_FIELDS_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(Fields::new(Place::Body, Vec::new())));
        }
        match parse(&bytes)? {
            Value::Object(members) => Ok(Self(fields_of(members))),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                let loc = vec![LocPart::Name(Place::Body.as_str().to_owned())];
                Err(wrong("dict_type", loc, "Input should be an object"))
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let loc = vec![
            LocPart::Name(Place::Body.as_str().to_owned()),
            LocPart::Index(error.column() as u64),
        ];
        wrong("json_invalid", loc, "JSON decode error")
    })
}

fn wrong(kind: &str, loc: Vec<LocPart>, message: &str) -> ApiError {
    ApiError::fields(vec![FieldError {
        kind: kind.to_owned(),
        loc,
        msg: message.to_owned(),
        input: Value::Null,
    }])
}

/// The members of an object as fields.
pub(crate) fn fields_of(members: Map<String, Value>) -> Fields {
    let pairs = members.into_iter().filter_map(|(name, value)| {
        let text = match value {
            Value::Null => return None,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                value.to_string()
            }
        };
        Some((name, text))
    });
    Fields::new(Place::Body, pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_like_parameters() {
        let document = r#"{"name":"a","flag":true,"level":3,"ids":["x"],"none":null}"#;
        let Value::Object(members) = serde_json::from_str(document).unwrap() else {
            panic!("an object");
        };
        let mut fields = fields_of(members);
        assert_eq!(fields.raw("name"), Some("a"));
        assert_eq!(fields.boolean("flag"), Some(true));
        assert_eq!(fields.integer("level", 0..=4), Some(3));
        assert_eq!(fields.raw("ids"), Some(r#"["x"]"#));
        assert_eq!(fields.raw("none"), None);
    }
}
