//! Signed media links: fetched by browsers and notebooks that send no header, so the right to read is in the address.
//!
//! `{origin}/media/{dataset}/{media}/{variant}?e={expiry}&s={signature}`; the signature is an HMAC-SHA256 over a version,
//! the dataset, the media item, the variant, the expiry and the dataset's link epoch. Raising the epoch ends all links of a
//! dataset at once; nothing else is stored.

mod origin;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use lamina_store::Secrets;
use lamina_types::{DatasetId, ExportId};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

pub use origin::Origin;

/// Part of what is signed, so that a later form of links can never be read as this one.
const VERSION: &[u8] = b"lamina media link 1\0";

/// The same for links to archives: neither kind opens the other's targets.
const ARCHIVE_VERSION: &[u8] = b"lamina archive link 1\0";

/// Which picture of a media item or object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The file as it came.
    Original,
    /// The WebP thumbnail.
    Thumbnail,
    /// An object, cut out of its picture.
    Crop,
    /// The WebP thumbnail of that.
    CropThumbnail,
}

impl Variant {
    /// Its word in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Thumbnail => "thumb",
            Self::Crop => "crop",
            Self::CropThumbnail => "crop-thumb",
        }
    }

    /// Part of what is signed.
    const fn number(self) -> u8 {
        match self {
            Self::Original => 1,
            Self::Thumbnail => 2,
            Self::Crop => 3,
            Self::CropThumbnail => 4,
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Original,
            Self::Thumbnail,
            Self::Crop,
            Self::CropThumbnail,
        ];
        all.into_iter().find(|variant| variant.as_str() == text)
    }
}

/// What a link gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkTarget {
    /// The dataset.
    pub dataset: DatasetId,
    /// A media item of it, or an object for the variants that are cut out.
    pub item: Uuid,
    /// Which picture.
    pub variant: Variant,
}

/// The keys that sign links: one that signs, and older ones, whose links stay valid until they expire.
#[derive(Clone)]
pub struct LinkKeys {
    signing: Zeroizing<[u8; 32]>,
    older: Vec<Zeroizing<[u8; 32]>>,
}

impl std::fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKeys(..)")
    }
}

impl LinkKeys {
    /// Keys of 32 random bytes each, of no other use.
    pub fn new(signing: [u8; 32], older: impl IntoIterator<Item = [u8; 32]>) -> Self {
        Self {
            signing: Zeroizing::new(signing),
            older: older.into_iter().map(Zeroizing::new).collect(),
        }
    }

    /// The link keys of a keys file; `None` when it has none.
    pub fn of(secrets: &Secrets) -> Option<Self> {
        let (signing, older) = secrets.link_keys().split_first()?;
        Some(Self::new(
            *signing.as_bytes(),
            older.iter().map(|key| *key.as_bytes()),
        ))
    }

    /// Path and query of a link that lives until `expiry` (Unix seconds).
    pub fn sign(&self, target: LinkTarget, epoch: i32, expiry: i64) -> String {
        let signature = URL_SAFE_NO_PAD.encode(
            mac(&self.signing, target, epoch, expiry)
                .finalize()
                .into_bytes(),
        );
        let LinkTarget {
            dataset,
            item,
            variant,
        } = target;
        format!(
            "/media/{dataset}/{item}/{}?e={expiry}&s={signature}",
            variant.as_str()
        )
    }

    /// Path and query of a link to the archive of an export that lives until `expiry` (Unix seconds).
    pub fn sign_archive(
        &self,
        dataset: DatasetId,
        export: ExportId,
        epoch: i32,
        expiry: i64,
    ) -> String {
        let mac = archive_mac(&self.signing, dataset, export, epoch, expiry);
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("/cdn/{dataset}/images/{export}/{export}.zip?e={expiry}&s={signature}")
    }

    /// Whether `signature` is one of ours for exactly this archive. Compares in constant time; says nothing of the clock.
    pub fn verify_archive(
        &self,
        dataset: DatasetId,
        export: ExportId,
        epoch: i32,
        expiry: i64,
        signature: &str,
    ) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
            return false;
        };
        let mut keys = std::iter::once(&self.signing).chain(&self.older);
        keys.any(|key| {
            archive_mac(key, dataset, export, epoch, expiry)
                .verify_slice(&signature)
                .is_ok()
        })
    }

    /// Whether `signature` is one of ours for exactly this target, epoch and expiry. Compares in constant time; says nothing
    /// of the clock.
    pub fn verify(&self, target: LinkTarget, epoch: i32, expiry: i64, signature: &str) -> bool {
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
            return false;
        };
        let mut keys = std::iter::once(&self.signing).chain(&self.older);
        keys.any(|key| {
            mac(key, target, epoch, expiry)
                .verify_slice(&signature)
                .is_ok()
        })
    }
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a short key up to a block with zeros; done here, so that no length can be wrong.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::<Sha256>::new((&*block).into())
}

fn archive_mac(
    key: &[u8; 32],
    dataset: DatasetId,
    export: ExportId,
    epoch: i32,
    expiry: i64,
) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    mac.update(ARCHIVE_VERSION);
    mac.update(dataset.as_uuid().as_bytes());
    mac.update(export.as_uuid().as_bytes());
    mac.update(&expiry.to_be_bytes());
    mac.update(&epoch.to_be_bytes());
    mac
}

fn mac(key: &[u8; 32], target: LinkTarget, epoch: i32, expiry: i64) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    // Every part has a fixed length, so no two targets can spell the same bytes.
    mac.update(VERSION);
    mac.update(target.dataset.as_uuid().as_bytes());
    mac.update(target.item.as_bytes());
    mac.update(&[target.variant.number()]);
    mac.update(&expiry.to_be_bytes());
    mac.update(&epoch.to_be_bytes());
    mac
}

/// Makes the links of one answer: one origin, one expiry.
#[derive(Debug, Clone)]
pub struct LinkMaker {
    keys: LinkKeys,
    origin: Origin,
    expiry: i64,
}

impl LinkMaker {
    /// Links that live for `lifetime_s` from `now` (Unix seconds), rounded up to a full hour so that a browser that asks again
    /// soon gets the same address and can use what it has.
    pub fn new(keys: LinkKeys, origin: Origin, now: i64, lifetime_s: i64) -> Self {
        const HOUR: i64 = 3_600;
        let expiry = now.saturating_add(lifetime_s).saturating_add(HOUR - 1) / HOUR * HOUR;
        Self {
            keys,
            origin,
            expiry,
        }
    }

    /// Path and query of an archive.
    pub fn archive(&self, dataset: DatasetId, export: ExportId, epoch: i32) -> String {
        self.keys.sign_archive(dataset, export, epoch, self.expiry)
    }

    /// An absolute address for a path.
    pub fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// An absolute address.
    pub fn link(&self, target: LinkTarget, epoch: i32) -> String {
        format!(
            "{}{}",
            self.origin,
            self.keys.sign(target, epoch, self.expiry)
        )
    }
}

#[cfg(test)]
mod tests {
    use lamina_types::MediaId;

    use super::*;

    const EXPIRY: i64 = 1_900_000_000;
    const EPOCH: i32 = 3;

    fn target() -> LinkTarget {
        LinkTarget {
            dataset: DatasetId::new(),
            item: MediaId::new().as_uuid(),
            variant: Variant::Original,
        }
    }

    fn signature(keys: &LinkKeys, target: LinkTarget) -> String {
        let link = keys.sign(target, EPOCH, EXPIRY);
        link.split_once("&s=").unwrap().1.to_owned()
    }

    #[test]
    fn a_link_opens_its_own_target_and_nothing_else() {
        let keys = LinkKeys::new([7; 32], []);
        let target = target();
        let good = signature(&keys, target);
        assert!(keys.verify(target, EPOCH, EXPIRY, &good));

        let other_media = LinkTarget {
            item: MediaId::new().as_uuid(),
            ..target
        };
        let other_dataset = LinkTarget {
            dataset: DatasetId::new(),
            ..target
        };
        let other_variants = [Variant::Thumbnail, Variant::Crop, Variant::CropThumbnail];
        let other_variants = other_variants.map(|variant| LinkTarget { variant, ..target });
        for wrong in [other_media, other_dataset].iter().chain(&other_variants) {
            let wrong = *wrong;
            assert!(!keys.verify(wrong, EPOCH, EXPIRY, &good));
        }
        for expiry in [EXPIRY + 1, EXPIRY - 1, 0, -1, i64::MAX, i64::MIN] {
            assert!(!keys.verify(target, EPOCH, expiry, &good));
        }
        for epoch in [EPOCH + 1, EPOCH - 1, 0, -EPOCH, i32::MAX] {
            assert!(!keys.verify(target, epoch, EXPIRY, &good));
        }
    }

    #[test]
    fn no_mutated_signature_is_accepted() {
        let keys = LinkKeys::new([7; 32], []);
        let target = target();
        let good = signature(&keys, target);
        let mut mutations: Vec<String> = Vec::new();
        for place in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            mutations.push(String::from_utf8(bytes).unwrap());
        }
        mutations.extend([
            String::new(),
            good[..good.len() - 1].to_owned(),
            format!("{good}A"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\n"),
            good.to_ascii_uppercase(),
            good.to_ascii_lowercase(),
            good.chars().rev().collect(),
            format!("{good}{good}"),
            good.replacen(char::is_alphanumeric, "%41", 1),
            "null".to_owned(),
            "A".repeat(43),
            "_".repeat(43),
            "\u{0}".to_owned(),
            format!("+{}", &good[1..]),
            "é".repeat(20),
        ]);
        assert!(mutations.len() >= 60, "only {} mutations", mutations.len());
        for mutation in mutations.iter().filter(|mutation| **mutation != good) {
            assert!(
                !keys.verify(target, EPOCH, EXPIRY, mutation),
                "accepted {mutation:?}"
            );
        }
    }

    #[test]
    fn the_previous_key_still_opens_but_no_longer_signs() {
        let old = LinkKeys::new([1; 32], []);
        let rotated = LinkKeys::new([2; 32], [[1; 32]]);
        let foreign = LinkKeys::new([3; 32], []);
        let target = target();
        assert!(rotated.verify(target, EPOCH, EXPIRY, &signature(&old, target)));
        assert!(!old.verify(target, EPOCH, EXPIRY, &signature(&rotated, target)));
        assert!(!rotated.verify(target, EPOCH, EXPIRY, &signature(&foreign, target)));
    }

    #[test]
    fn links_are_absolute_and_stay_equal_within_the_hour() {
        let keys = LinkKeys::new([7; 32], []);
        let origin = Origin::parse("https://lamina.example").unwrap();
        let target = target();
        let link = |now| LinkMaker::new(keys.clone(), origin.clone(), now, 86_400).link(target, 0);
        assert!(
            link(1_000_000)
                .starts_with(&format!("https://lamina.example/media/{}/", target.dataset))
        );
        assert_eq!(link(7_200), link(7_201 - 1));
        assert_eq!(link(7_201), link(10_800));
        assert_ne!(link(10_800), link(10_801));
    }
}
