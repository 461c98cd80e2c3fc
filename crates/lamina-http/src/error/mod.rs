//! `ApiError`: one kind of failure, one envelope, for handlers, extractors, fallbacks, limits, panics and timeouts alike.

mod causes;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use lamina_api::{Detail, ErrorBody, ErrorCode, FieldError};

/// A failed request: a code, what the caller may read, and what only the log may know.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: ErrorCode,
    detail: Detail,
    cause: Option<Arc<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

/// What the outermost layer finds in the extensions of a failed answer, so that each failure is logged exactly once.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: ErrorCode,
    pub(crate) cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// A failure whose text is `detail`. The text is public: it must not contain that of a cause.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: Detail::Text(detail.into()),
            cause: None,
            retry_after: None,
        }
    }

    /// A failure that needs no words of its own.
    pub fn plain(code: ErrorCode) -> Self {
        Self::new(code, code.default_detail())
    }

    /// 400 with its reason.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }

    /// 401; always the same words, whatever was wrong with the token.
    pub fn unauthenticated() -> Self {
        Self::plain(ErrorCode::Unauthenticated)
    }

    /// 403 with its reason.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, detail)
    }

    /// 404 for a dataset: unknown, invisible and impossible ids are answered alike, byte for byte.
    pub fn dataset_not_found() -> Self {
        Self::new(ErrorCode::NotFound, "Dataset not found")
    }

    /// 404 with its words.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, detail)
    }

    /// 409 with its reason.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, detail)
    }

    /// 422 with the list of wrong fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        Self {
            code: ErrorCode::Unprocessable,
            detail: Detail::Fields(errors),
            cause: None,
            retry_after: None,
        }
    }

    /// 500: the caller learns nothing of the cause.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::plain(ErrorCode::Internal).with_cause(cause)
    }

    /// Keeps the cause for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Arc::new(cause));
        self
    }

    /// Tells the caller when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Which failure it is.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the caller reads.
    pub fn detail(&self) -> &Detail {
        &self.detail
    }

    /// The public text, or the messages of the wrong fields in one line.
    pub fn public_text(&self) -> String {
        match &self.detail {
            Detail::Text(text) => text.clone(),
            Detail::Fields(fields) => {
                let messages: Vec<&str> = fields.iter().map(|field| field.msg.as_str()).collect();
                messages.join("; ")
            }
        }
    }

    /// An answer with the status, headers and log entry of this failure but a body of the endpoint's own.
    pub fn into_response_with(self, body: impl serde::Serialize) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.code == ErrorCode::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(wait.as_secs().max(1)),
            );
        }
        response.extensions_mut().insert(Failure {
            code: self.code,
            cause: self.cause,
        });
        response
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.status(), self.public_text())
    }
}

impl Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        // Belt and braces: whoever made a 500 with words in it, they do not leave.
        if self.code == ErrorCode::Internal {
            self.detail = Detail::Text(ErrorCode::Internal.default_detail().to_owned());
        }
        let body = ErrorBody {
            detail: self.detail.clone(),
        };
        self.into_response_with(body)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body_of(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_code_is_answered_in_the_envelope_with_its_status() {
        for code in ErrorCode::ALL {
            let response = ApiError::plain(*code).into_response();
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(
                body_of(response).await,
                format!(r#"{{"detail":"{}"}}"#, code.default_detail())
            );
        }
    }

    #[tokio::test]
    async fn the_cause_of_a_500_stays_inside() {
        let cause = std::io::Error::other("password=hunter2 at /srv/secret");
        let error = ApiError::new(ErrorCode::Internal, "password=hunter2").with_cause(cause);
        let response = error.into_response();
        let failure = response.extensions().get::<Failure>().unwrap().clone();
        assert!(failure.cause.unwrap().to_string().contains("hunter2"));
        assert_eq!(
            body_of(response).await,
            r#"{"detail":"Internal server error"}"#
        );
    }

    #[tokio::test]
    async fn overload_says_when_to_come_back() {
        let wait = Duration::from_millis(300);
        let response = ApiError::plain(ErrorCode::Overloaded)
            .with_retry_after(wait)
            .into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
