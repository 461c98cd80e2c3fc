//! Places elsewhere that files are read from: buckets (S3 and what speaks like it) and `http(s)` addresses.
//!
//! What may be read is the operator's choice: a bucket or host that no rule names is refused, and without rules nothing is ever
//! connected to. Keys come from the configuration of the process and go nowhere else: a job says the name of a bucket, and the
//! worker that runs it has the keys itself. Every address is judged after its name was looked up, and the judged address is the
//! one that is connected to (hardening E11).

mod address;
mod bucket;
mod connection;
mod error;
mod location;
mod rules;
mod service;
mod web;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

pub use address::{AddressPolicy, Network, NotANetwork};
pub use bucket::{Bucket, ListedObject, ObjectPage};
pub use error::RemoteError;
pub use location::{BucketPath, parse_web};
pub use rules::{BucketKeys, BucketRule, DEFAULT_REGION, RulesError, read_rules, read_secret};
pub use service::Service;
pub use web::WebRules;

/// The rule that counts for every bucket without one of its own.
const EVERY_OTHER: &str = "*";

/// Everything elsewhere that may be read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Remotes(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    buckets: Vec<BucketRule>,
    web: web::Web,
    open: Mutex<HashMap<String, Bucket>>,
}

impl Remotes {
    /// Checks the rules; connects to nothing.
    ///
    /// # Errors
    /// A rule that cannot be used: an endpoint that is no address, an authority that cannot be read.
    pub fn new(buckets: Vec<BucketRule>, web: WebRules) -> Result<Self, RemoteError> {
        for rule in &buckets {
            let name = if rule.name == EVERY_OTHER {
                "example"
            } else {
                &rule.name
            };
            Bucket::open(name, rule)?;
        }
        let web = web::Web::new(web).map_err(|reason| RemoteError::Config {
            bucket: String::new(),
            reason,
        })?;
        Ok(Self(Some(Arc::new(Inner {
            buckets,
            web,
            open: Mutex::default(),
        }))))
    }

    /// A bucket that may be read.
    ///
    /// # Errors
    /// [`RemoteError::BucketNotOpen`].
    pub fn bucket(&self, name: &str) -> Result<Bucket, RemoteError> {
        let not_open = || RemoteError::BucketNotOpen(name.to_owned());
        let inner = self.0.as_deref().ok_or_else(not_open)?;
        let mut open = inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = open.get(name) {
            return Ok(bucket.clone());
        }
        let own = inner.buckets.iter().find(|rule| rule.name == name);
        let rule = own.or_else(|| inner.buckets.iter().find(|rule| rule.name == EVERY_OTHER));
        let bucket = Bucket::open(name, rule.ok_or_else(not_open)?)?;
        open.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }

    /// Whether a file may be asked for at an `http(s)` address, as far as can be said without connecting.
    ///
    /// # Errors
    /// No such address, a host that is not open.
    pub fn check_web(&self, address: &str) -> Result<(), RemoteError> {
        self.web(address)?.check(address).map(drop)
    }

    /// The file at an `http(s)` address, whole.
    ///
    /// # Errors
    /// As [`Self::check_web`]; an address that may not be connected to; gone, denied, too large, unreachable.
    pub async fn get_web(&self, address: &str, max_bytes: u64) -> Result<Bytes, RemoteError> {
        self.web(address)?.get(address, max_bytes).await
    }

    fn web(&self, address: &str) -> Result<&web::Web, RemoteError> {
        match &self.0 {
            Some(inner) => Ok(&inner.web),
            None => {
                let url = parse_web(address)?;
                Err(RemoteError::HostNotOpen(
                    url.host_str().unwrap_or_default().to_owned(),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> BucketRule {
        BucketRule {
            name: name.to_owned(),
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            region: DEFAULT_REGION.to_owned(),
            keys: None,
            path_style: true,
            ca_file: None,
        }
    }

    #[tokio::test]
    async fn nothing_is_open_that_no_rule_names() {
        let closed = Remotes::default();
        assert!(matches!(
            closed.bucket("photos"),
            Err(RemoteError::BucketNotOpen(_))
        ));
        assert!(matches!(
            closed.check_web("https://example.org/"),
            Err(RemoteError::HostNotOpen(_))
        ));
        let some = Remotes::new(vec![rule("photos")], WebRules::default()).unwrap();
        assert!(some.bucket("photos").is_ok());
        assert!(matches!(
            some.bucket("others"),
            Err(RemoteError::BucketNotOpen(_))
        ));
        let every = Remotes::new(vec![rule("*")], WebRules::default()).unwrap();
        assert!(every.bucket("others").is_ok());
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_said_at_the_start() {
        let mut wrong = rule("photos");
        wrong.endpoint = Some("minio:9000".to_owned());
        assert!(matches!(
            Remotes::new(vec![wrong], WebRules::default()),
            Err(RemoteError::Config { .. })
        ));
        let mut wrong = rule("photos");
        wrong.ca_file = Some("/nowhere/ca.pem".into());
        assert!(matches!(
            Remotes::new(vec![wrong], WebRules::default()),
            Err(RemoteError::Config { .. })
        ));
    }
}
