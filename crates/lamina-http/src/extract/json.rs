//! JSON bodies of any shape, read whole under a limit and a time; what they mean is checked by hand.

use axum::extract::{FromRequest, Request};
use lamina_api::{FieldError, LocPart};
use serde_json::Value;

use super::form::read_whole;
use crate::ApiError;

/// A JSON body. Depth is bounded by the parser (128), size by the reader.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_whole(request.into_body()).await?;
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(ApiError::fields(vec![FieldError {
                kind: "json_invalid".to_owned(),
                loc: vec![
                    LocPart::Name("body".to_owned()),
                    LocPart::Index(error.column() as u64),
                ],
                msg: "JSON decode error".to_owned(),
                input: Value::Null,
            }])),
        }
    }
}
