//! One file from a hub into a folder, going on where an earlier run stopped.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use fs_err::{File, OpenOptions};
use lamina_types::ContentHash;
use sha2::{Digest as _, Sha256};

use crate::catalog::HubKind;
use crate::client::{Answer, Hub};
use crate::error::HubError;

/// Largest file that is taken from anywhere.
const MAX_FILE_BYTES: u64 = 4 << 30;
/// Times that a connection may break off without bringing a byte.
const MAX_FUTILE: u32 = 5;
/// Read at once.
const PIECE: usize = 1 << 18;

/// What a file must be.
pub(crate) struct Wanted<'a> {
    pub(crate) url: &'a str,
    pub(crate) kind: HubKind,
    /// Of its bytes, and who says so.
    pub(crate) sha256: Option<(ContentHash, &'static str)>,
    pub(crate) bytes: Option<u64>,
}

/// What a file was.
pub(crate) struct Fetched {
    pub(crate) sha256: ContentHash,
    pub(crate) bytes: u64,
    /// The commit that it belongs to, if the hub said it.
    pub(crate) commit: Option<String>,
}

/// A file that grows. What an earlier run left is hashed before anything is added.
struct Part {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Part {
    fn open(path: &Path) -> std::io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                count => {
                    hash.update(piece.get(..count).unwrap_or_default());
                    bytes += count as u64;
                }
            }
        }
        Ok(Self { file, hash, bytes })
    }

    fn empty(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hash = Sha256::new();
        self.bytes = 0;
        Ok(())
    }

    fn append(&mut self, piece: &[u8]) -> std::io::Result<()> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    fn digest(&self) -> ContentHash {
        ContentHash::from_bytes(self.hash.clone().finalize().into())
    }
}

/// Brings `folder/name` there, complete and checked. Until then its bytes are in `name.part`, and what names them for the server in
/// `name.etag`; both are kept when the connection breaks and thrown away when the bytes are wrong.
pub(crate) fn fetch(
    hub: &Hub,
    wanted: &Wanted<'_>,
    folder: &Path,
    name: &str,
    tell: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Fetched, HubError> {
    let paths = [format!("{name}.part"), format!("{name}.etag")].map(|name| folder.join(name));
    let [part_path, etag_path] = &paths;
    let outcome = fill(hub, wanted, part_path, etag_path, tell);
    if matches!(outcome, Err(HubError::Size { .. } | HubError::Hash { .. })) {
        for path in &paths {
            remove_if_there(path)?;
        }
    }
    let fetched = outcome?;
    fs_err::rename(part_path, folder.join(name))?;
    remove_if_there(etag_path)?;
    Ok(fetched)
}

fn fill(
    hub: &Hub,
    wanted: &Wanted<'_>,
    part_path: &Path,
    etag_path: &Path,
    tell: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Fetched, HubError> {
    let mut part = Part::open(part_path)?;
    let mut etag = fs_err::read_to_string(etag_path).ok();
    // Without a name and without a hash nobody could say that the rest belongs to the beginning.
    if etag.is_none() && wanted.sha256.is_none() {
        part.empty()?;
    }
    let mut commit = None;
    let mut said = None;
    let mut futile = 0;
    let is_whole = |part: &Part| wanted.bytes == Some(part.bytes) && wanted.sha256.is_some();
    while !is_whole(&part) {
        let before = part.bytes;
        let asked = hub.get(wanted.url, wanted.kind, before, etag.as_deref());
        let answer = match asked {
            Ok(answer) => answer,
            // Refused in the middle of a file: as much a broken connection as one that ends.
            Err(HubError::Unreachable { .. }) if before > 0 && futile + 1 < MAX_FUTILE => {
                futile += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        if answer.starts_at != part.bytes {
            part.empty()?;
        }
        // A server that goes on at a place nobody asked for is asked for everything.
        if answer.starts_at != part.bytes {
            etag = None;
            futile += 1;
            if futile >= MAX_FUTILE {
                return Err(broken_off(wanted, &part, futile));
            }
            continue;
        }
        if etag != answer.etag {
            etag.clone_from(&answer.etag);
            keep_etag(etag_path, etag.as_deref())?;
        }
        commit = commit.or_else(|| answer.commit.clone());
        said = answer.sha256.or(said);
        check_total(wanted, answer.total)?;
        let total = answer.total.or(wanted.bytes);
        let has_ended = append_all(wanted, &mut part, answer, &mut |done| tell(done, total))?;
        if has_ended && total.is_none_or(|total| part.bytes >= total) {
            break;
        }
        futile = if part.bytes > before { 0 } else { futile + 1 };
        if futile >= MAX_FUTILE {
            return Err(broken_off(wanted, &part, futile));
        }
    }
    part.file.sync_all()?;
    judge(wanted, &part, said)?;
    Ok(Fetched {
        sha256: part.digest(),
        bytes: part.bytes,
        commit,
    })
}

/// Whether the body ended by itself, and not by a broken connection.
fn append_all(
    wanted: &Wanted<'_>,
    part: &mut Part,
    mut answer: Answer,
    tell: &mut dyn FnMut(u64),
) -> Result<bool, HubError> {
    let limit = wanted.bytes.or(answer.total).unwrap_or(MAX_FILE_BYTES);
    let mut piece = vec![0; PIECE];
    loop {
        tell(part.bytes);
        let count = match answer.body.read(&mut piece) {
            Ok(0) => return Ok(true),
            Ok(count) => count,
            Err(_) => return Ok(false),
        };
        part.append(piece.get(..count).unwrap_or_default())?;
        if part.bytes > limit {
            return Err(HubError::Size {
                url: wanted.url.to_owned(),
                found: part.bytes,
                expected: limit,
            });
        }
    }
}

/// Before any byte is taken: the size that the server announces.
fn check_total(wanted: &Wanted<'_>, total: Option<u64>) -> Result<(), HubError> {
    let Some(found) = total else {
        return Ok(());
    };
    let expected = wanted.bytes.unwrap_or(found.min(MAX_FILE_BYTES));
    if found == expected {
        return Ok(());
    }
    Err(HubError::Size {
        url: wanted.url.to_owned(),
        found,
        expected,
    })
}

/// After all bytes: size and hash, as pinned or as the hub itself says.
fn judge(wanted: &Wanted<'_>, part: &Part, said: Option<ContentHash>) -> Result<(), HubError> {
    if let Some(expected) = wanted.bytes.filter(|expected| *expected != part.bytes) {
        return Err(HubError::Size {
            url: wanted.url.to_owned(),
            found: part.bytes,
            expected,
        });
    }
    let found = part.digest();
    let claims = [wanted.sha256, said.map(|hash| (hash, "as the hub says"))];
    match claims
        .into_iter()
        .flatten()
        .find(|(expected, _)| *expected != found)
    {
        None => Ok(()),
        Some((expected, by)) => Err(HubError::Hash {
            url: wanted.url.to_owned(),
            found,
            expected,
            by,
        }),
    }
}

fn broken_off(wanted: &Wanted<'_>, part: &Part, attempts: u32) -> HubError {
    HubError::BrokenOff {
        url: wanted.url.to_owned(),
        at: part.bytes,
        attempts,
    }
}

fn keep_etag(path: &Path, etag: Option<&str>) -> std::io::Result<()> {
    match etag {
        Some(etag) => fs_err::write(path, etag),
        None => remove_if_there(path),
    }
}

pub(crate) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
