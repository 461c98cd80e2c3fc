//! JSON bodies: one object, whose members are read like the fields of a form.

use axum::extract::{FromRequest, Request};
use lamina_api::FieldError;
use serde_json::{Map, Value};

use super::form::read_whole;
use super::{Fields, Place};
use crate::ApiError;

/// Largest body, in bytes: some 100,000 ids.
const MAX_JSON_BYTES: usize = 4 * 1024 * 1024;

/// The members of a JSON object. Texts are themselves, everything else is its JSON text, and null is absent, so that
/// members are read as parameters of a query are.
#[derive(Debug)]
pub(crate) struct JsonFields(pub(crate) Fields);

impl<S: Send + Sync> FromRequest<S> for JsonFields {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_whole(request.into_body(), MAX_JSON_BYTES).await?;
        if bytes.is_empty() {
            return Ok(Self(Fields::new(Place::Body, Vec::new())));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Self(fields_of(members))),
            Ok(_) => Err(wrong("dict_type", "Input should be an object")),
            Err(error) => Err(wrong(
                "json_invalid",
                &format!("JSON decode error: {error}"),
            )),
        }
    }
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

fn wrong(kind: &str, message: &str) -> ApiError {
    let mut error = FieldError::new(kind, Place::Body.as_str(), "", message, Value::Null);
    // It is the body itself that is wrong, and no member of it.
    error.loc.truncate(1);
    ApiError::fields(vec![error])
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
