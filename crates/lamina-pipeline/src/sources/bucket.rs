//! The objects of a bucket below one prefix.

use std::ops::ControlFlow;

use lamina_store::remote::{Bucket, ListedObject};

use super::below::NotOpened;
use super::elsewhere::Elsewhere;
use super::errors::{FetchError, SourceError};
use super::{Fetched, ItemPage, ListedItem, MediaSource, SourceLimits, Visit, keys, names};

/// The files of a bucket, in the order of their keys, which is what buckets are listed in.
///
/// * Keys are names with `/` between their parts, never paths. What begins with a dot, or is left behind by an operating
///   system, is left out as in a folder, and so are the empty objects that stand for folders.
/// * The listing comes in pages: one that was interrupted goes on behind the last key that was stored.
#[derive(Debug)]
pub struct BucketSource {
    bucket: Bucket,
    /// Empty, or ends with `/`.
    prefix: String,
    elsewhere: Elsewhere,
    limits: SourceLimits,
}

impl BucketSource {
    /// Opens the part of a bucket that is meant by `prefix`: a folder, with or without a slash at its end.
    ///
    /// # Errors
    /// A bucket that is not open.
    pub fn open(
        elsewhere: Elsewhere,
        bucket: &str,
        prefix: &str,
        limits: SourceLimits,
    ) -> Result<Self, SourceError> {
        let bucket = elsewhere.remotes().bucket(bucket)?;
        let mut prefix = prefix.to_owned();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Ok(Self {
            bucket,
            prefix,
            elsewhere,
            limits,
        })
    }

    /// The name of an object inside of the source; `None` for what is left out.
    fn name<'a>(&self, object: &'a ListedObject) -> Option<&'a str> {
        let name = object.key.strip_prefix(&self.prefix)?;
        let stands_for_a_folder = object.byte_size == 0 && !name.contains('.');
        let is_left_out = name.is_empty()
            || stands_for_a_folder
            || name
                .split('/')
                .any(|part| names::is_left_out(part.as_bytes()));
        (!is_left_out).then_some(name)
    }

    fn listed(&self, after: Option<&str>) -> Result<(ItemPage, u64), SourceError> {
        let page = self.elsewhere.wait(self.bucket.page(&self.prefix, after))?;
        let mut items = Vec::with_capacity(page.objects.len());
        let mut each = |item| {
            items.push(item);
            ControlFlow::Continue(())
        };
        let mut visit = Visit::new(&self.limits, &|| false, &mut each);
        for object in &page.objects {
            if let Some(name) = self.name(object) {
                visit.show(keys::encode(name.as_bytes()), name.as_bytes(), None)?;
            }
        }
        let last = page.objects.last().map(|object| object.key.clone());
        let next = last.filter(|_| !page.is_last);
        Ok((ItemPage { items, next }, page.objects.len() as u64))
    }
}

impl MediaSource for BucketSource {
    fn visit(
        &self,
        stop: &dyn Fn() -> bool,
        each: &mut dyn FnMut(ListedItem) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let (mut after, mut shown) = (None, 0);
        loop {
            if stop() {
                return Err(SourceError::Stopped);
            }
            let (page, count) = self.listed(after.as_deref())?;
            shown += count;
            if shown > self.limits.max_files {
                return Err(SourceError::TooManyFiles {
                    limit: self.limits.max_files,
                });
            }
            for item in page.items {
                if each(item).is_break() {
                    return Err(SourceError::Stopped);
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn fetch(&self, source_key: &str, max_bytes: u64) -> Result<Fetched, FetchError> {
        let name = keys::decode(source_key).and_then(|name| String::from_utf8(name).ok());
        let key = format!("{}{}", self.prefix, name.ok_or(NotOpened::Name)?);
        let bytes = self.elsewhere.wait(self.bucket.get(&key, max_bytes))?;
        Ok(Fetched { bytes, path: None })
    }

    fn page(&self, after: Option<&str>) -> Option<Result<ItemPage, SourceError>> {
        // A key too long to be stored whole cannot be gone on from.
        let after = match after.map(keys::decode) {
            None => None,
            Some(name) => {
                let name = name.and_then(|name| String::from_utf8(name).ok());
                let Some(name) = name else {
                    return Some(Err(SourceError::Stopped));
                };
                Some(format!("{}{name}", self.prefix))
            }
        };
        let page = self.listed(after.as_deref()).map(|(mut page, _)| {
            page.next = page
                .next
                .map(|key| keys::encode(key.strip_prefix(&self.prefix).unwrap_or(&key).as_bytes()));
            page
        });
        Some(page)
    }

    fn is_elsewhere(&self) -> bool {
        true
    }
}
