//! One bucket: its listing in pages, its objects whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, RetryConfig};

use super::RemoteError;
use super::address::AddressPolicy;
use super::connection::{Connection, Forbidden, find};
use super::rules::BucketRule;

/// Objects of one page of a listing.
const PAGE: usize = 1_000;

/// How long a request is tried again while the server is away, before it is somebody else's turn to decide.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the next bytes of an object may take.
const NEXT_BYTES: Duration = Duration::from_secs(30);

/// An object, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub byte_size: u64,
}

/// Objects in the order of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// Up to a thousand.
    pub objects: Vec<ListedObject>,
    /// Whether that was all.
    pub is_last: bool,
}

/// A bucket that may be read. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    name: String,
    store: Arc<AmazonS3>,
}

impl std::fmt::Debug for Bucket {
    /// The store would print its keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// Opens a bucket as its rule says; nothing is connected to yet.
    pub(super) fn open(name: &str, rule: &BucketRule) -> Result<Self, RemoteError> {
        let config = |reason: String| RemoteError::Config {
            bucket: name.to_owned(),
            reason,
        };
        let policy = match &rule.endpoint {
            // The operator named the endpoint.
            Some(_) => AddressPolicy::Any,
            None => AddressPolicy::PublicAnd(Vec::new()),
        };
        let connection = Connection::new(policy, rule.ca_file.as_deref()).map_err(config)?;
        let retry = RetryConfig {
            max_retries: 3,
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_region(&rule.region)
            .with_virtual_hosted_style_request(!rule.path_style)
            .with_retry(retry)
            .with_http_connector(connection);
        if let Some(endpoint) = &rule.endpoint {
            builder = builder
                .with_endpoint(rule.endpoint_of(endpoint, name).map_err(config)?)
                .with_allow_http(endpoint.starts_with("http://"));
        }
        builder = match &rule.keys {
            Some(keys) => {
                let builder = builder
                    .with_access_key_id(&keys.access_key_id)
                    .with_secret_access_key(keys.secret_access_key.expose());
                match &keys.session_token {
                    Some(token) => builder.with_token(token.expose()),
                    None => builder,
                }
            }
            // Never those of the machine: what it may read is not what a user may.
            None => builder.with_skip_signature(true),
        };
        let store = builder
            .build()
            .map_err(|_| config("it is incomplete".to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            store: Arc::new(store),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The objects whose keys begin with `prefix`, behind the key `after`. In the order of keys.
    ///
    /// # Errors
    /// Refused, no such bucket, unreachable.
    pub async fn page(&self, prefix: &str, after: Option<&str>) -> Result<ObjectPage, RemoteError> {
        let options = PaginatedListOptions {
            offset: after.map(str::to_owned),
            max_keys: Some(PAGE),
            ..PaginatedListOptions::default()
        };
        let prefix = (!prefix.is_empty()).then_some(prefix);
        let page = self.store.list_paginated(prefix, options).await;
        let page = page.map_err(|error| {
            let error = self.translate(error);
            if matches!(error, RemoteError::NotFound) {
                return RemoteError::NoSuchBucket(self.name.clone());
            }
            if matches!(error, RemoteError::Denied) {
                return RemoteError::Refused(self.name.clone());
            }
            error
        })?;
        let objects = page.result.objects.into_iter();
        Ok(ObjectPage {
            objects: objects
                .map(|object| ListedObject {
                    key: object.location.to_string(),
                    byte_size: object.size,
                })
                .collect(),
            is_last: page.page_token.is_none(),
        })
    }

    /// One object, whole.
    ///
    /// # Errors
    /// Gone, denied, more than `max_bytes`, unreachable.
    pub async fn get(&self, key: &str, max_bytes: u64) -> Result<Bytes, RemoteError> {
        let path = Path::parse(key).map_err(|_| RemoteError::NotFound)?;
        let found = self.store.get(&path).await;
        let found = found.map_err(|error| self.translate(error))?;
        let size = found.meta.size;
        if size > max_bytes {
            return Err(RemoteError::TooManyBytes(max_bytes));
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0));
        let mut parts = found.into_stream();
        loop {
            let part = tokio::time::timeout(NEXT_BYTES, parts.next()).await;
            let Some(part) = part.map_err(|_| self.unreachable("it stopped sending", None))? else {
                return Ok(bytes.freeze());
            };
            bytes.extend_from_slice(&part.map_err(|error| self.translate(error))?);
            if bytes.len() as u64 > max_bytes {
                return Err(RemoteError::TooManyBytes(max_bytes));
            }
        }
    }

    fn unreachable(
        &self,
        reason: &'static str,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    ) -> RemoteError {
        RemoteError::Unreachable {
            place: format!("s3://{}", self.name),
            reason,
            source,
        }
    }

    /// What the store said, in words that hold nothing the server sent.
    fn translate(&self, error: object_store::Error) -> RemoteError {
        use object_store::Error as Of;
        if find::<Forbidden>(&error).is_some() {
            return RemoteError::AddressNotAllowed(self.name.clone());
        }
        if find::<rustls::Error>(&error).is_some() {
            return self.unreachable("its certificate is not trusted", Some(error.into()));
        }
        if matches!(error, Of::NotFound { .. }) {
            return RemoteError::NotFound;
        }
        if matches!(
            error,
            Of::PermissionDenied { .. } | Of::Unauthenticated { .. }
        ) {
            return RemoteError::Denied;
        }
        if matches!(error, Of::InvalidPath { .. }) {
            return RemoteError::BadNames(self.name.clone());
        }
        match status_of(&error) {
            Some(401 | 403) => RemoteError::Denied,
            Some(404) => RemoteError::NotFound,
            Some(301 | 307 | 400) => RemoteError::Config {
                bucket: self.name.clone(),
                reason: "it is in another region, or is addressed in another style".to_owned(),
            },
            Some(status) => RemoteError::Status {
                host: format!("s3://{}", self.name),
                status,
            },
            None => self.unreachable("it does not answer", Some(error.into())),
        }
    }
}

/// The status that a listing was refused with: the store keeps it in its text alone.
fn status_of(error: &object_store::Error) -> Option<u16> {
    const BEFORE: &str = "status code: ";
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let status = text
            .split_once(BEFORE)
            .and_then(|(_, rest)| rest.get(..3))
            .and_then(|digits| digits.parse().ok());
        if status.is_some() {
            return status;
        }
        next = error.source();
    }
    None
}
