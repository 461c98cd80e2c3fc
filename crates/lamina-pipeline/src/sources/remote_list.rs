//! A list of files that lies at an address itself.

use std::collections::HashSet;
use std::io::Cursor;
use std::ops::ControlFlow;

use bytes::Bytes;
use lamina_store::remote::{BucketPath, RemoteError, parse_web};

use super::below::NotOpened;
use super::elsewhere::{Elsewhere, is_address, shown};
use super::entries::{self, Entries, ListKind};
use super::errors::{FetchError, SourceError};
use super::{Fetched, ListedItem, MediaSource, SourceLimits, Visit, keys};

/// The files that a list in a bucket or on a web server names: addresses, or names beside the list. It names no file of this
/// machine, whatever its entries look like.
#[derive(Debug)]
pub struct RemoteListSource {
    address: String,
    kind: ListKind,
    list: Bytes,
    elsewhere: Elsewhere,
    limits: SourceLimits,
}

impl RemoteListSource {
    /// Fetches the list.
    ///
    /// # Errors
    /// A bucket or host that is not open or not reachable; a list that is too long or of a kind that is not read.
    pub fn open(
        elsewhere: Elsewhere,
        address: &str,
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let kind = ListKind::of(&String::from_utf8_lossy(shown(address.as_bytes())))?;
        let list = match elsewhere.fetch(address.as_bytes(), limits.max_list_bytes) {
            Ok(fetched) => fetched.bytes,
            Err(FetchError::Rejected(rejection)) => {
                return Err(SourceError::NoList(rejection.detail));
            }
            Err(FetchError::Io(error)) => return Err(SourceError::Io(error)),
        };
        Ok(Self {
            address: address.to_owned(),
            kind,
            list,
            elsewhere,
            limits,
        })
    }

    /// An entry as shown: names beside a list at an address may carry signatures too.
    fn shown<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        if is_address(entry) || BucketPath::parse(&self.address).is_ok() {
            return shown(entry);
        }
        entry
            .split(|byte| matches!(byte, b'?' | b'#'))
            .next()
            .unwrap_or(entry)
    }

    /// The address that an entry means.
    fn address_of(&self, entry: &str) -> Result<String, RemoteError> {
        if is_address(entry.as_bytes()) {
            return Ok(entry.to_owned());
        }
        match BucketPath::parse(&self.address) {
            Ok(list) => {
                let folder = list.key.rsplit_once('/').map_or("", |(folder, _)| folder);
                let key = match entry.strip_prefix('/') {
                    Some(key) => key.to_owned(),
                    None if folder.is_empty() => entry.to_owned(),
                    None => format!("{folder}/{entry}"),
                };
                Ok(BucketPath { key, ..list }.to_string())
            }
            Err(_) => {
                let list = parse_web(&self.address)?;
                let joined = list.join(entry);
                Ok(joined
                    .map_err(|_| RemoteError::BadLocation(entry.to_owned()))?
                    .into())
            }
        }
    }
}

impl MediaSource for RemoteListSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let mut visit = Visit::new(&self.limits, stop, each);
        let mut entries: Box<dyn Entries> = match self.kind {
            ListKind::Parquet => entries::of_parquet(self.list.clone())?,
            ListKind::Lines | ListKind::Table => {
                entries::of_text(self.kind, Cursor::new(self.list.clone()))?
            }
        };
        let (mut seen, mut entry) = (HashSet::new(), Vec::new());
        while entries.next_into(&mut entry)? {
            let text = String::from_utf8_lossy(entry.trim_ascii());
            if text.is_empty() {
                continue;
            }
            let address = self.address_of(&text).unwrap_or_else(|_| text.to_string());
            let (key, rejection) = self.elsewhere.judge(address.as_bytes());
            if seen.insert(key.clone()) {
                visit.show(key, self.shown(text.as_bytes()), rejection)?;
            }
        }
        Ok(())
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let address = keys::decode(source_key).ok_or(NotOpened::Name)?;
        self.elsewhere.fetch(&address, max_bytes)
    }

    fn is_elsewhere(&self) -> bool {
        true
    }
}
