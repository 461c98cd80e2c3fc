//! Secrets at rest (hardening E3): API secrets are kept encrypted in Postgres under a master key that lives in a file of
//! the data directory, readable by its owner only. The same file holds the keys that sign media links.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use lamina_types::UserId;
use rand::TryRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Trouble with the keys file or with a sealed secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file could not be read or written.
    #[error("the keys file could not be read or written")]
    Io(#[from] std::io::Error),
    /// Others than the owner may read the file.
    #[error("{path} may be read by others (mode {mode:o}); run: chmod 600 {path}")]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what this program writes.
    #[error("{0} is no keys file")]
    Malformed(PathBuf),
    /// Sealed under a master key that the file does not have.
    #[error("the secret was sealed under master key {0}, which is not in the keys file")]
    UnknownMasterKey(String),
    /// The sealed bytes were changed, or belong to another key or user.
    #[error("the sealed secret does not open")]
    Tampered,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    NoRandomness,
}

/// A secret text. Never printed, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be printed.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// 43 random characters, 256 bits.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn random() -> Result<Self, SecretsError> {
        Ok(Self(random_text::<32>()?))
    }

    /// The text, for signing, verifying and the one time it is shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A key that signs or verifies media links. Never printed, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LinkKey([u8; 32]);

impl LinkKey {
    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An encrypted secret as it lies in its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// 12 bytes, fresh for each sealing.
    pub nonce: Vec<u8>,
    /// Encrypted text and tag.
    pub ciphertext: Vec<u8>,
    /// Which master key.
    pub master_key_id: String,
}

/// The keys file as written: JSON, keys in base64url.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    version: u32,
    /// Id of the master key that seals; the others only open.
    current: String,
    #[zeroize(skip)]
    master: BTreeMap<String, String>,
    /// The first signs, all verify.
    link: Vec<String>,
}

/// The opened keys file: seals and opens API secrets, hands out link keys.
pub struct Secrets {
    current: String,
    master: BTreeMap<String, Aes256Gcm>,
    link: Vec<LinkKey>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

/// `N` bytes from the operating system.
///
/// # Errors
/// When it gives none.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| SecretsError::NoRandomness)?;
    Ok(bytes)
}

/// `N` random bytes as base64url text without padding.
pub(crate) fn random_text<const N: usize>() -> Result<String, SecretsError> {
    let bytes = Zeroizing::new(random_bytes::<N>()?);
    Ok(URL_SAFE_NO_PAD.encode(*bytes))
}

impl Secrets {
    /// Opens the keys file, or makes it with fresh keys when it is missing.
    ///
    /// # Errors
    /// Unreadable, readable by others, or not a keys file. A damaged file is never replaced: what it sealed would be lost.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretsError> {
        if !path.exists() {
            create_keys_file(path)?;
        }
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretsError::TooOpen {
                path: path.to_owned(),
                mode,
            });
        }
        let text = Zeroizing::new(fs::read_to_string(path)?);
        let malformed = || SecretsError::Malformed(path.to_owned());
        let file: KeysFile = serde_json::from_str(&text).map_err(|_| malformed())?;
        let key = |text: &String| -> Result<Zeroizing<[u8; 32]>, SecretsError> {
            let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?);
            <[u8; 32]>::try_from(bytes.as_slice())
                .map(Zeroizing::new)
                .map_err(|_| malformed())
        };
        let mut master = BTreeMap::new();
        for (id, text) in &file.master {
            master.insert(id.clone(), Aes256Gcm::new(&(*key(text)?).into()));
        }
        let link = file
            .link
            .iter()
            .map(|text| Ok(LinkKey(*key(text)?)))
            .collect::<Result<Vec<_>, SecretsError>>()?;
        if file.version != 1 || !master.contains_key(&file.current) || link.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            current: file.current.clone(),
            master,
            link,
        })
    }

    /// Encrypts `secret` so that it opens only for this key id and this user.
    ///
    /// # Errors
    /// No random bytes.
    pub fn seal(
        &self,
        secret: &Secret,
        key_id: &str,
        user: UserId,
    ) -> Result<SealedSecret, SecretsError> {
        self.seal_under(secret, &associated_data(key_id, user))
    }

    fn seal_under(&self, secret: &Secret, aad: &[u8]) -> Result<SealedSecret, SecretsError> {
        let cipher = self.cipher(&self.current)?;
        let nonce = random_bytes::<12>()?;
        let msg = secret.expose().as_bytes();
        let ciphertext = cipher
            .encrypt(&Nonce::from(nonce), Payload { msg, aad })
            .map_err(|_| SecretsError::Tampered)?;
        Ok(SealedSecret {
            nonce: nonce.to_vec(),
            ciphertext,
            master_key_id: self.current.clone(),
        })
    }

    /// Decrypts what [`Self::seal`] made for the same key id and user.
    ///
    /// # Errors
    /// Another key id, user or master key, or changed bytes.
    pub fn open(
        &self,
        sealed: &SealedSecret,
        key_id: &str,
        user: UserId,
    ) -> Result<Secret, SecretsError> {
        self.open_under(sealed, &associated_data(key_id, user))
    }

    fn open_under(&self, sealed: &SealedSecret, aad: &[u8]) -> Result<Secret, SecretsError> {
        let cipher = self.cipher(&sealed.master_key_id)?;
        let nonce =
            <[u8; 12]>::try_from(sealed.nonce.as_slice()).map_err(|_| SecretsError::Tampered)?;
        let msg = sealed.ciphertext.as_slice();
        let clear = cipher
            .decrypt(&Nonce::from(nonce), Payload { msg, aad })
            .map_err(|_| SecretsError::Tampered)?;
        String::from_utf8(clear)
            .map(Secret)
            .map_err(|_| SecretsError::Tampered)
    }

    /// Encrypts a text that somebody else is to keep, such as a cookie, so that it opens for the same purpose only. The result has
    /// letters, digits, `-`, `_` and two `.`.
    ///
    /// # Errors
    /// No random bytes.
    pub fn seal_text(&self, text: &Secret, purpose: &str) -> Result<String, SecretsError> {
        let sealed = self.seal_under(text, &associated_purpose(purpose))?;
        Ok(format!(
            "{}.{}.{}",
            sealed.master_key_id,
            URL_SAFE_NO_PAD.encode(sealed.nonce),
            URL_SAFE_NO_PAD.encode(sealed.ciphertext)
        ))
    }

    /// Decrypts what [`Self::seal_text`] made for the same purpose.
    ///
    /// # Errors
    /// Anything else.
    pub fn open_text(&self, sealed: &str, purpose: &str) -> Result<Secret, SecretsError> {
        let mut parts = sealed.splitn(3, '.');
        let mut part = || parts.next().ok_or(SecretsError::Tampered);
        let (id, nonce, ciphertext) = (part()?, part()?, part()?);
        let bytes = |text| {
            let decoded = URL_SAFE_NO_PAD.decode(text);
            decoded.map_err(|_| SecretsError::Tampered)
        };
        let sealed = SealedSecret {
            nonce: bytes(nonce)?,
            ciphertext: bytes(ciphertext)?,
            master_key_id: id.to_owned(),
        };
        self.open_under(&sealed, &associated_purpose(purpose))
    }

    /// Keys for media links: the first signs, all verify.
    pub fn link_keys(&self) -> &[LinkKey] {
        &self.link
    }

    fn cipher(&self, id: &str) -> Result<&Aes256Gcm, SecretsError> {
        self.master
            .get(id)
            .ok_or_else(|| SecretsError::UnknownMasterKey(id.to_owned()))
    }
}

/// What ties a sealed secret to its row, so that rows cannot be swapped.
fn associated_data(key_id: &str, user: UserId) -> Vec<u8> {
    format!("lamina api key {key_id} of {user}").into_bytes()
}

fn associated_purpose(purpose: &str) -> Vec<u8> {
    format!("lamina text for {purpose}").into_bytes()
}

/// Writes fresh keys so that no other process ever sees half a file, and two starters agree on one.
fn create_keys_file(path: &Path) -> Result<(), SecretsError> {
    let id = random_text::<6>()?;
    let file = KeysFile {
        version: 1,
        master: BTreeMap::from([(id.clone(), random_text::<32>()?)]),
        current: id,
        link: vec![random_text::<32>()?],
    };
    let text = Zeroizing::new(
        serde_json::to_string(&file).map_err(|_| SecretsError::Malformed(path.to_owned()))?,
    );
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".keys-{}", random_text::<9>()?));
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    // A hard link fails when the name exists: the other starter was first, and its keys count.
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(fs::File::open(folder)?.sync_all()?),
    }
}
