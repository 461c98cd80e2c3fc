//! Names of blobs. A key is made of ids and hashes only, never of a name that somebody sent.

use lamina_types::{ContentHash, DatasetId, EntityType, ExportId, Space, UserId};
use object_store::path::Path;
use uuid::Uuid;

use crate::BlobError;

const CONTENT: &str = "content/";
const THUMBNAIL: &str = "thumb/";
const CROP: &str = "crop/";
/// Folder of index generations.
pub(super) const GENERATION: &str = "generation/";
/// Folder of archives of exports.
pub(super) const EXPORT: &str = "export/";

/// `content/<owner>/<first two digits>/<hash>`: folders of a few thousand files at a million pictures.
pub(super) fn content(owner: UserId, hash: ContentHash) -> String {
    let hash = hash.to_hex();
    format!("{CONTENT}{owner}/{}/{hash}", &hash[..2])
}

pub(super) fn thumbnail(owner: UserId, hash: ContentHash) -> String {
    let hash = hash.to_hex();
    format!("{THUMBNAIL}{owner}/{}/{hash}.webp", &hash[..2])
}

/// Folder of the crops of a content.
pub(super) fn crops(owner: UserId, hash: ContentHash) -> String {
    let hash = hash.to_hex();
    format!("{CROP}{owner}/{}/{hash}", &hash[..2])
}

/// The crop of a region of a content.
pub(super) fn crop(owner: UserId, hash: ContentHash, region: i64) -> String {
    format!("{}/{region}.webp", crops(owner, hash))
}

pub(super) fn generation(
    dataset: DatasetId,
    entity: EntityType,
    space: Space,
    number: i32,
) -> String {
    format!("{GENERATION}{dataset}/{entity}-{space}-{number}.lamina")
}

pub(super) fn export(dataset: DatasetId, id: ExportId) -> String {
    format!("{EXPORT}{dataset}/{id}.zip")
}

/// Owner and hash behind a key of [`content`], [`thumbnail`] or [`crop`].
pub(super) fn parse_content(key: &str) -> Option<(UserId, ContentHash)> {
    let rest = key
        .strip_prefix(CONTENT)
        .or_else(|| key.strip_prefix(THUMBNAIL)?.strip_suffix(".webp"))
        .or_else(|| {
            key.strip_prefix(CROP)?
                .rsplit_once('/')
                .map(|(folder, _)| folder)
        })?;
    let mut parts = rest.split('/');
    let (owner, _, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let owner: Uuid = owner.parse().ok()?;
    Some((UserId::from_uuid(owner), hash.parse().ok()?))
}

/// Checks a key that comes from a row or a caller.
pub(super) fn path(key: &str) -> Result<Path, BlobError> {
    let bad = || BlobError::BadKey(key.to_owned());
    if ![CONTENT, THUMBNAIL, CROP, GENERATION, EXPORT]
        .iter()
        .any(|folder| key.starts_with(folder))
    {
        return Err(bad());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if !key.bytes().all(allowed)
        || key
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.'))
    {
        return Err(bad());
    }
    Path::parse(key).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_nothing_else_is_one() {
        let (owner, hash) = (UserId::new(), ContentHash::from_bytes([0xab; 32]));
        for key in [
            content(owner, hash),
            thumbnail(owner, hash),
            crop(owner, hash, 12),
        ] {
            assert_eq!(parse_content(&key), Some((owner, hash)), "{key}");
            assert_eq!(path(&key).unwrap().as_ref(), key);
        }
        assert!(
            path(&generation(
                DatasetId::new(),
                EntityType::Images,
                Space::Index,
                3
            ))
            .is_ok()
        );
        for key in [
            "",
            "content/../../etc/passwd",
            "/etc/passwd",
            "staging/x",
            "content//x",
            "content/.x",
            "thumb/a b",
        ] {
            assert!(path(key).is_err(), "{key}");
        }
    }
}
