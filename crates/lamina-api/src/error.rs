//! The error envelope (contract 1.3) and the one table of error codes.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What kind of failure an answer reports; each has one HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request contradicts itself or lacks something the endpoint checks by hand.
    BadRequest,
    /// Token missing, malformed, expired or unknown.
    Unauthenticated,
    /// Known caller, not allowed.
    Forbidden,
    /// Unknown or invisible.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The client was too slow in sending the request.
    RequestTimeout,
    /// The state of the resource forbids the operation.
    Conflict,
    /// More bytes than this endpoint takes.
    TooLarge,
    /// The content type of the body is none the endpoint reads.
    UnsupportedMediaType,
    /// A parameter or body cannot be parsed or is out of range.
    Unprocessable,
    /// Too much to do at the moment; come back later.
    Overloaded,
    /// Our fault; the text never says more.
    Internal,
    /// A part that is needed (database, model) is away.
    Unavailable,
    /// There is no room left to write.
    StorageFull,
}

impl ErrorCode {
    /// Every code, for tables and tests.
    pub const ALL: &'static [Self] = &[
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Unprocessable,
        Self::Overloaded,
        Self::Internal,
        Self::Unavailable,
        Self::StorageFull,
    ];

    /// The HTTP status of this code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::Unprocessable => 422,
            Self::Overloaded => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::StorageFull => 507,
        }
    }

    /// The text that is sent when nothing better is known, and always for [`Self::Internal`].
    pub const fn default_detail(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::Unauthenticated => "Not authenticated",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::RequestTimeout => "The request was not sent in time",
            Self::Conflict => "The current state does not allow this operation",
            Self::TooLarge => "The request is too large",
            Self::UnsupportedMediaType => "The content type of the request body is not supported",
            Self::Unprocessable => "The request cannot be processed",
            Self::Overloaded => "Too many requests at the moment, try again later",
            Self::Internal => "Internal server error",
            Self::Unavailable => "The service is not available at the moment, try again later",
            Self::StorageFull => "There is not enough free space to store this",
        }
    }

    /// Whether the fault is ours, so that no text of a cause may be sent.
    pub const fn is_server_fault(self) -> bool {
        self.status() >= 500
    }
}

/// The body of every 4xx and 5xx answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ErrorBody {
    /// One sentence for people, or, for 422, the list of what is wrong.
    pub detail: Detail,
}

/// `detail`: a text, except for validation errors.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Detail {
    /// One sentence.
    Text(String),
    /// One entry per wrong field; 422 only.
    Fields(Vec<FieldError>),
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldError {
    /// What is wrong, for programs: `missing`, `int_parsing`, `enum`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// Where: `["query", "threshold"]`, `["body", "files", 3]`.
    pub loc: Vec<LocPart>,
    /// What is wrong, for people.
    pub msg: String,
    /// The value that was found, null when there was none.
    pub input: Value,
}

impl FieldError {
    /// A wrong field; `place` is `query`, `path` or `body`.
    pub fn new(kind: &str, place: &str, field: &str, msg: impl Into<String>, input: Value) -> Self {
        let loc = vec![
            LocPart::Name(place.to_owned()),
            LocPart::Name(field.to_owned()),
        ];
        Self {
            kind: kind.to_owned(),
            loc,
            msg: msg.into(),
            input,
        }
    }
}

/// One step on the way to a wrong field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum LocPart {
    /// A member.
    Name(String),
    /// A place in a list.
    Index(u64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detail_is_a_text_or_a_list() {
        let text = ErrorBody {
            detail: Detail::Text("Dataset not found".to_owned()),
        };
        assert_eq!(
            serde_json::to_string(&text).unwrap(),
            r#"{"detail":"Dataset not found"}"#
        );
        let list = ErrorBody {
            detail: Detail::Fields(vec![FieldError::new(
                "missing",
                "body",
                "name",
                "Field required",
                Value::Null,
            )]),
        };
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"detail":[{"type":"missing","loc":["body","name"],"msg":"Field required","input":null}]}"#
        );
    }

    #[test]
    fn every_code_has_its_own_error_status() {
        let statuses: std::collections::BTreeSet<u16> =
            ErrorCode::ALL.iter().map(|code| code.status()).collect();
        assert_eq!(statuses.len(), ErrorCode::ALL.len());
        assert!(statuses.iter().all(|status| (400..600).contains(status)));
    }
}
