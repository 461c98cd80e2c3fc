//! Why a place elsewhere gave nothing. Every text is for the user: no address of ours, no key, nothing that a server sent.

/// Anything that can go wrong with buckets and addresses.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// A text that names no place.
    #[error(
        "{0:?} is not the address of a bucket (s3://bucket/folder/) or a file (https://host/list.txt)"
    )]
    BadLocation(String),
    /// The operator did not open this bucket.
    #[error(
        "the bucket {0:?} is not open to this server: its operator lists the buckets that may be read"
    )]
    BucketNotOpen(String),
    /// The operator did not open this host.
    #[error(
        "the host {0:?} is not open to this server: its operator lists the hosts that may be read from"
    )]
    HostNotOpen(String),
    /// The host stands in a network that may not be reached, or nowhere.
    #[error("the address of {0:?} is not one that this server may connect to")]
    AddressNotAllowed(String),
    /// Wrong keys, or keys without the right.
    #[error(
        "the bucket {0:?} refused access: the keys configured for it are wrong, or lack the right to list and read it"
    )]
    Refused(String),
    /// No such bucket.
    #[error("there is no bucket {0:?}")]
    NoSuchBucket(String),
    /// No such object or file.
    #[error("there is nothing at this address any more")]
    NotFound,
    /// Denied for one object or file.
    #[error("reading it is not allowed")]
    Denied,
    /// More bytes than are taken.
    #[error("it has more than {0} bytes")]
    TooManyBytes(u64),
    /// More redirections than are followed.
    #[error("the address leads on to too many others")]
    TooManyRedirects,
    /// Another answer than one that can be used.
    #[error("the server at {host:?} answered with status {status}")]
    Status {
        /// Who.
        host: String,
        /// Status code.
        status: u16,
    },
    /// Object names that cannot be taken: empty parts, `.` or `..` as a part.
    #[error(
        "the bucket {0:?} holds objects whose names have empty parts, such as a//b; name a folder without them"
    )]
    BadNames(String),
    /// No connection, no answer in time, or a certificate that is not trusted; later it may work.
    #[error("{place:?} cannot be read: {reason}")]
    Unreachable {
        /// Bucket or host.
        place: String,
        /// One of a few texts.
        reason: &'static str,
        /// For the log.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// An address that nothing secret is sent to.
    #[error(
        "{0:?} is not an address that secrets may be sent to: https is needed, or http to this machine itself"
    )]
    NotSafe(String),
    /// A file of authorities that cannot be used.
    #[error("the authorities to trust cannot be used: {0}")]
    BadAuthority(String),
    /// The configuration of a bucket cannot be used.
    #[error("the configuration of the bucket {bucket:?} cannot be used: {reason}")]
    Config {
        /// Which.
        bucket: String,
        /// What is wrong.
        reason: String,
    },
}

impl RemoteError {
    /// Whether the same call may succeed later with nothing changed by anybody.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::BadLocation(_)
            | Self::BucketNotOpen(_)
            | Self::HostNotOpen(_)
            | Self::AddressNotAllowed(_)
            | Self::Refused(_)
            | Self::NoSuchBucket(_)
            | Self::NotFound
            | Self::Denied
            | Self::TooManyBytes(_)
            | Self::TooManyRedirects
            | Self::BadNames(_)
            | Self::NotSafe(_)
            | Self::BadAuthority(_)
            | Self::Config { .. } => false,
        }
    }
}
