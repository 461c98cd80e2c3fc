//! The parts of a multipart body, one after the other.

use axum::extract::Request;
use bytes::Bytes;
use http::header;
use lamina_api::{ErrorCode, FieldError};
use multer::{Field, Multipart};
use serde_json::Value;

use super::metered::{Fed, MeterError, Metered};
use super::{Spool, Spooled, UploadLimits};
use crate::ApiError;

/// A multipart body under limits.
pub(crate) struct Parts {
    multipart: Multipart<'static>,
    fed: Fed,
    limits: UploadLimits,
}

/// One part: a file or a text field.
pub(crate) struct Part {
    field: Field<'static>,
    fed: Fed,
}

impl Parts {
    /// The parts of a request whose body may have `max_bytes`.
    ///
    /// # Errors
    /// 422 when the body is of another kind.
    pub(crate) fn new(
        request: Request,
        max_bytes: u64,
        limits: &UploadLimits,
        wanted: &str,
    ) -> Result<Self, ApiError> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        // Without a form there is no such field: what a client reads is that the field is missing.
        let boundary = kind
            .and_then(|kind| multer::parse_boundary(kind).ok())
            .ok_or_else(|| missing_field(wanted))?;
        let (body, fed) = Metered::new(request.into_body(), max_bytes, limits);
        Ok(Self {
            multipart: Multipart::new(body, boundary),
            fed,
            limits: limits.clone(),
        })
    }

    /// The next part, if there is one.
    ///
    /// # Errors
    /// 400 for a body that is malformed or too large, 408 for one that is too slow.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, ApiError> {
        let field = self.multipart.next_field().await.map_err(refuse)?;
        self.fed.reset();
        Ok(field.map(|field| Part {
            field,
            fed: self.fed.clone(),
        }))
    }

    /// The limits these parts are read under.
    pub(crate) fn limits(&self) -> &UploadLimits {
        &self.limits
    }
}

impl Part {
    /// The field's name.
    pub(crate) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The base name of the file as the client gave it, `default` when it gave none. A name for people: never a path.
    pub(crate) fn file_name(&self, default: &str) -> String {
        let given = self.field.file_name().unwrap_or_default();
        let base = given.rsplit(['/', '\\']).next().unwrap_or_default();
        let clean: String = base
            .chars()
            .filter(|character| !character.is_control())
            .take(255)
            .collect();
        if clean.trim().is_empty() {
            default.to_owned()
        } else {
            clean
        }
    }

    /// The next bytes.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        let chunk = self.field.chunk().await.map_err(refuse)?;
        self.fed.reset();
        Ok(chunk)
    }

    /// A text field, whole.
    ///
    /// # Errors
    /// 400 when it is too long or no UTF-8.
    pub(crate) async fn text(mut self, limits: &UploadLimits) -> Result<String, ApiError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if (bytes.len() + chunk.len()) as u64 > limits.max_text_bytes {
                return Err(ApiError::bad_request("A form field is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes)
            .map_err(|_| ApiError::bad_request("A form field is not UTF-8 text"))
    }

    /// A file, to disk.
    ///
    /// # Errors
    /// 400 when it is larger than `max_bytes`; what the disk says.
    pub(crate) async fn spool(self, spool: &Spool, max_bytes: u64) -> Result<Spooled, ApiError> {
        spool.receive(self, max_bytes).await
    }

    /// Reads the part and throws it away.
    ///
    /// # Errors
    /// As for every read.
    pub(crate) async fn skip(mut self) -> Result<(), ApiError> {
        while self.chunk().await?.is_some() {}
        Ok(())
    }
}

/// 422: a field of this name is needed.
pub(crate) fn missing_field(name: &str) -> ApiError {
    ApiError::fields(vec![FieldError::new(
        "missing",
        "body",
        name,
        "Field required",
        Value::Null,
    )])
}

fn refuse(error: multer::Error) -> ApiError {
    let meter = if let multer::Error::StreamReadFailed(source) = &error {
        source.downcast_ref::<MeterError>().copied()
    } else {
        None
    };
    match meter {
        Some(MeterError::TooSlow) => ApiError::plain(ErrorCode::RequestTimeout),
        Some(
            reason @ (MeterError::TooLarge(_) | MeterError::EndlessHeaders | MeterError::Broken),
        ) => ApiError::bad_request(reason.to_string()),
        None => ApiError::bad_request("The multipart body is malformed").with_cause(error),
    }
}
