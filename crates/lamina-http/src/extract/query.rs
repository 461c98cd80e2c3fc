//! The query string as a set of parameters.

use axum::extract::FromRequestParts;
use http::request::Parts;

use super::{Fields, FromFields, Place};
use crate::ApiError;

/// The query, read into `T`; a wrong value is 422 with the list of all that are wrong.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let encoded = parts.uri.query().unwrap_or_default();
        Fields::decode(Place::Query, encoded.as_bytes())
            .read()
            .map(Self)
    }
}
