//! Files at addresses, for sources that name them one by one. Everything here blocks, like all sources.

use lamina_store::remote::{BucketPath, RemoteError, Remotes};
use lamina_types::{RejectReason, Rejection};
use tokio::runtime::Handle;

use super::errors::FetchError;
use super::{Fetched, keys};

/// Buckets and hosts that may be read, from threads that may block.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    remotes: Remotes,
    runtime: Handle,
}

impl Elsewhere {
    /// Work goes on on this runtime while the calling thread waits.
    pub const fn new(remotes: Remotes, runtime: Handle) -> Self {
        Self { remotes, runtime }
    }

    /// What may be read.
    pub(super) const fn remotes(&self) -> &Remotes {
        &self.remotes
    }

    /// Waits for work of the network.
    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Key of an address, and the verdict that the address alone allows.
    pub(super) fn judge(&self, address: &[u8]) -> (String, Option<Rejection>) {
        let verdict = match std::str::from_utf8(address.trim_ascii()) {
            Ok(text) if is_web(text) => self.remotes.check_web(text),
            Ok(text) => BucketPath::parse(text)
                .and_then(|path| self.remotes.bucket(&path.bucket))
                .map(drop),
            Err(_) => Err(RemoteError::BadLocation(
                "bytes that are no text".to_owned(),
            )),
        };
        let rejection = verdict
            .err()
            .map(|error| Rejection::new(RejectReason::Unreadable, error.to_string()));
        (keys::encode(address.trim_ascii()), rejection)
    }

    /// The file at an address.
    pub(super) fn fetch(&self, address: &[u8], max_bytes: u64) -> Result<Fetched, FetchError> {
        let text = std::str::from_utf8(address)
            .map_err(|_| RemoteError::BadLocation("bytes that are no text".to_owned()))?;
        let bytes = self.wait(async {
            if is_web(text) {
                return self.remotes.get_web(text, max_bytes).await;
            }
            let path = BucketPath::parse(text)?;
            self.remotes
                .bucket(&path.bucket)?
                .get(&path.key, max_bytes)
                .await
        })?;
        Ok(Fetched { bytes, path: None })
    }
}

fn is_web(address: &str) -> bool {
    !address
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("s3://"))
}

/// Whether an entry of a list is an address. Taken as a path, it would only be a file that is missing.
pub(super) fn is_address(entry: &[u8]) -> bool {
    entry.windows(3).any(|three| three == b"://")
}

/// An entry as shown to people: what follows a question mark in an address may be a signature.
pub(super) fn shown(entry: &[u8]) -> &[u8] {
    if !is_address(entry) {
        return entry;
    }
    entry
        .split(|byte| matches!(byte, b'?' | b'#'))
        .next()
        .unwrap_or(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_addresses_are_not_shown() {
        assert_eq!(
            shown(b"https://h/a.jpg?X-Amz-Signature=1"),
            b"https://h/a.jpg"
        );
        assert_eq!(shown(b"why?.jpg"), b"why?.jpg");
    }
}
