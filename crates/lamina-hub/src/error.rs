//! What can go wrong between a hub and an installed package. Every message says what to do where something can be done.

use std::path::PathBuf;

use lamina_inference::{ManifestError, PackageError};
use lamina_types::ContentHash;

/// A catalog entry that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be read.
    #[error("a catalog entry cannot be read")]
    Read(#[from] std::io::Error),
    /// Not TOML, or a field missing, unknown or of a wrong kind.
    #[error("{} is no catalog entry", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The manifest that it would make is not acceptable.
    #[error("{} makes no manifest", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ManifestError>,
    },
    /// A rule of entries is broken.
    #[error("{}: {reason}", path.display())]
    Rule {
        /// The file.
        path: PathBuf,
        /// Which.
        reason: String,
    },
}

/// A local folder that cannot be made a package.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file is missing or cannot be read.
    #[error("a file of the folder cannot be read")]
    Read(#[from] std::io::Error),
    /// A file is not what its name says.
    #[error("{} is not acceptable: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nothing that is known.
    #[error("the folder has no layout that is known: {0}")]
    Unknown(String),
}

/// Why a package was not pulled, added or removed.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The entry.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The folder.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The disk.
    #[error("the package cannot be written")]
    Disk(#[from] std::io::Error),
    /// What was fetched or found makes no package.
    #[error("the package is not acceptable")]
    Package(#[from] PackageError),
    /// What was fetched or found makes no manifest.
    #[error("the package has no acceptable manifest")]
    Manifest(#[from] ManifestError),
    /// Another process is at it.
    #[error("another process is pulling {0} at this moment; wait for it to end")]
    Busy(String),
    /// No address, or one that is not http(s).
    #[error(
        "{0:?} is no address of a hub: it must begin with https:// (or http:// for a mirror of your own)"
    )]
    Address(String),
    /// The proxy of the environment.
    #[error("the proxy that the environment names cannot be used: {0}")]
    Proxy(String),
    /// Not reached.
    #[error(
        "{url} cannot be reached: {reason}; behind a proxy, set HTTPS_PROXY; without a way out, use --mirror or copy the folder and use `lamina models add`"
    )]
    Unreachable {
        /// What was asked for.
        url: String,
        /// Why.
        reason: String,
    },
    /// 401 or 403.
    #[error("{url} is not for everybody (status {status}): accept its licence on the hub and set HF_TOKEN to a token that may read it{}", if *had_token { "; the token that was sent is not enough" } else { "" })]
    Forbidden {
        /// What was asked for.
        url: String,
        /// 401 or 403.
        status: u16,
        /// Whether one was sent.
        had_token: bool,
    },
    /// 404.
    #[error("{url} does not exist: the hub may have moved or renamed it; nothing was installed")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// 429.
    #[error("the hub has had too many requests from here{}; run the same command again later, it goes on where it stopped", match retry_after { Some(seconds) => format!(" and asks to wait {seconds} s"), None => String::new() })]
    TooMany {
        /// What it asks for, seconds.
        retry_after: Option<u64>,
    },
    /// Another status.
    #[error("{url} answered with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("{url} points to {to:?}, which is not followed: {reason}")]
    Redirect {
        /// What was asked for.
        url: String,
        /// Where it points.
        to: String,
        /// Why not.
        reason: &'static str,
    },
    /// The connection broke again and again.
    #[error(
        "the connection broke off {attempts} times in a row at byte {at} of {url}; run the same command again, it goes on there"
    )]
    BrokenOff {
        /// What was asked for.
        url: String,
        /// Bytes there.
        at: u64,
        /// How often.
        attempts: u32,
    },
    /// The hub says another size than the catalog.
    #[error("{url} has {found} bytes, {expected} were expected; nothing was installed")]
    Size {
        /// What was asked for.
        url: String,
        /// What the hub says or sent.
        found: u64,
        /// What the catalog, the record or the hub itself said.
        expected: u64,
    },
    /// Other bytes than those pinned.
    #[error(
        "{url} has SHA-256 {found}, {expected} was expected ({by}); it was thrown away and nothing was installed"
    )]
    Hash {
        /// What was asked for.
        url: String,
        /// Of what came.
        found: ContentHash,
        /// What it should be.
        expected: ContentHash,
        /// Who says so.
        by: &'static str,
    },
}
