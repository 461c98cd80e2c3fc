//! Pictures behind signed links. No token is asked for: the signature is the right to read.

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lamina_types::{DatasetId, MediaId};

use crate::ApiError;
use crate::extract::{Fields, Place, path_parameter};
use crate::links::{LinkTarget, Variant};
use crate::pictures::{self, Picture};
use crate::state::AppState;

/// A link as it was sent; whether it is one of ours is not known yet.
pub(crate) struct SentLink {
    pub(crate) target: LinkTarget,
    pub(crate) expiry: i64,
    pub(crate) signature: String,
}

impl FromRequestParts<AppState> for SentLink {
    type Rejection = ApiError;

    /// Every link that is not whole is answered like one that was never signed.
    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, ApiError> {
        let dataset: Option<DatasetId> = path_parameter(parts, "dataset_id").await;
        // Media items and objects alike; the variant says which.
        let item: Option<MediaId> = path_parameter(parts, "media_id").await;
        let variant: Option<String> = path_parameter(parts, "variant").await;
        let query = parts.uri.query().unwrap_or_default();
        let fields = Fields::decode(Place::Query, query.as_bytes());
        let link = || {
            let target = LinkTarget {
                dataset: dataset?,
                item: item?.as_uuid(),
                variant: Variant::parse(&variant?)?,
            };
            let expiry = fields.raw("e")?;
            // One spelling only: no sign, no leading zero.
            let number: i64 = expiry
                .parse()
                .ok()
                .filter(|number: &i64| number.to_string() == expiry)?;
            Some(Self {
                target,
                expiry: number,
                signature: fields.raw("s")?.to_owned(),
            })
        };
        link().ok_or_else(pictures::no_such_picture)
    }
}

/// A picture or its thumbnail.
pub(crate) async fn get_media(
    State(state): State<AppState>,
    link: SentLink,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let picture = pictures::open(&state, &link).await?;
    let mut response = if is_known(&headers, &picture.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let Picture {
            bytes,
            content_type,
            ..
        } = picture.read(&state).await?;
        let mut response = Response::new(Body::from(bytes));
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    };
    protect(response.headers_mut(), &picture.etag, picture.seconds_left);
    Ok(response)
}

/// Whatever a picture turns out to contain, a browser shows it as a picture and nothing else, to this reader only.
fn protect(headers: &mut HeaderMap, etag: &str, seconds_left: i64) {
    let fixed = [
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_DISPOSITION, "inline"),
        (header::ACCEPT_RANGES, "none"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Notebooks show pictures from another origin than ours.
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("cross-origin"),
    );
    if let Ok(value) = HeaderValue::from_str(&format!(
        "private, max-age={}",
        seconds_left.clamp(0, 3_600)
    )) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    if let Ok(value) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, value);
    }
}

/// Whether the client says it has this version.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let sent = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    sent.split(',')
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}
