//! Configuration: flags and `LAMINA_*` variables, read once here and handed down.
//!
//! Every field says its unit and default in its help text, so `lamina <verb> --help` is the manual.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lamina_explore::ThresholdSense;
use lamina_index::DEFAULT_EXACT_LIMIT;
use lamina_store::remote::Network;

/// Life of a claimed chunk without a sign of life, in seconds.
const DEFAULT_LEASE_S: u64 = 30;
/// Files of one chunk.
const DEFAULT_CHUNK_FILES: usize = 128;
/// Memory for loaded datasets.
const DEFAULT_SNAPSHOT_BYTES: usize = 2_000_000_000;

/// Where Lamina keeps everything of its own.
#[derive(Debug, Clone, Args)]
pub struct DataOptions {
    /// Data directory: private database, blobs, keys, runtime libraries. Created when missing
    #[arg(long, env = "LAMINA_DATA_DIR", global = true, value_name = "DIR", default_value_os_t = default_data_dir())]
    pub data_dir: PathBuf,
}

/// Which Postgres to use.
#[derive(Debug, Clone, Args)]
pub struct DatabaseOptions {
    /// Postgres to use instead of the private one in the data directory
    #[arg(
        long,
        env = "LAMINA_DATABASE_URL",
        global = true,
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<String>,

    /// File that holds the database password, when it is not in the URL
    #[arg(
        long,
        env = "LAMINA_DATABASE_PASSWORD_FILE",
        global = true,
        value_name = "FILE"
    )]
    pub database_password_file: Option<PathBuf>,

    /// Folder with `initdb` and `postgres` for the private cluster; found by itself when absent
    #[arg(long, env = "LAMINA_PG_BIN", global = true, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,

    /// Greatest number of database connections of this process
    #[arg(
        long,
        env = "LAMINA_DATABASE_CONNECTIONS",
        global = true,
        value_name = "N",
        default_value_t = 20
    )]
    pub database_connections: u32,
}

/// The HTTP side.
#[derive(Debug, Clone, Args)]
pub struct HttpOptions {
    /// Address and port to listen on; port 0 takes a free one and prints it
    #[arg(
        long,
        env = "LAMINA_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:2080"
    )]
    pub listen: SocketAddr,

    /// Origin that links in answers begin with, such as `https://lamina.example`; taken from each request when absent
    #[arg(long, env = "LAMINA_PUBLIC_ORIGIN", value_name = "URL")]
    pub public_origin: Option<String>,

    /// `jwt` asks every caller for a token; `none` trusts every caller and listens on loopback only
    #[arg(long, env = "LAMINA_AUTH", value_name = "MODE", default_value = "jwt", value_parser = ["jwt", "none"])]
    pub auth: String,

    /// With `--auth none`: listen on an address that is not loopback all the same
    #[arg(long, env = "LAMINA_ALLOW_OPEN_NETWORK", default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub allow_open_network: bool,

    /// With `--auth none`: further host names that requests may be addressed to, comma separated
    #[arg(
        long,
        env = "LAMINA_ALLOWED_HOSTS",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,

    /// Folders that `/process` may read from, comma separated; none by default
    #[arg(
        long,
        env = "LAMINA_INGEST_ROOTS",
        value_name = "DIRS",
        value_delimiter = ','
    )]
    pub ingest_roots: Vec<PathBuf>,

    /// How long links to pictures stay valid, such as `24h`
    #[arg(long, env = "LAMINA_LINK_TTL", value_name = "TIME", default_value = "24h", value_parser = parse_duration)]
    pub link_ttl: Duration,

    /// Greatest size of one uploaded file, in bytes
    #[arg(
        long,
        env = "LAMINA_MAX_UPLOAD_BYTES",
        value_name = "BYTES",
        default_value_t = 200_000_000
    )]
    pub max_upload_bytes: u64,

    /// Greatest size of one uploaded archive, in bytes
    #[arg(
        long,
        env = "LAMINA_MAX_ARCHIVE_BYTES",
        value_name = "BYTES",
        default_value_t = 20_000_000_000
    )]
    pub max_archive_bytes: u64,

    /// Connections served at once; more wait
    #[arg(
        long,
        env = "LAMINA_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 1024
    )]
    pub max_connections: usize,

    /// What thresholds of text and picture searches mean: `distance` (greatest distance found) or `similarity` (least similarity)
    #[arg(
        long,
        env = "LAMINA_THRESHOLD_SENSE",
        value_name = "SENSE",
        default_value = "distance"
    )]
    pub threshold_sense: ThresholdSense,

    #[command(flatten)]
    pub oidc: OidcOptions,
}

/// An identity provider (OIDC) that people sign in through. Off without an issuer.
#[derive(Debug, Clone, Default, Args)]
pub struct OidcOptions {
    /// Identity provider that people may sign in through, such as `https://id.example/realms/photos`
    #[arg(long, env = "LAMINA_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,

    /// Name of this server at the identity provider
    #[arg(long, env = "LAMINA_OIDC_CLIENT_ID", value_name = "ID")]
    pub oidc_client_id: Option<String>,

    /// File that holds the secret of this server at the identity provider; none for a public client
    #[arg(long, env = "LAMINA_OIDC_CLIENT_SECRET_FILE", value_name = "FILE")]
    pub oidc_client_secret_file: Option<PathBuf>,

    /// PEM file of an authority to trust beside the public ones when the identity provider is asked
    #[arg(long, env = "LAMINA_OIDC_CA_FILE", value_name = "FILE")]
    pub oidc_ca_file: Option<PathBuf>,

    /// Role of accounts made for people who sign in through it and have none: `viewer`, `editor`, or `none` to make none
    #[arg(long, env = "LAMINA_OIDC_NEW_USERS", value_name = "ROLE", default_value = "viewer", value_parser = ["viewer", "editor", "none"])]
    pub oidc_new_users: String,
}

/// Places elsewhere that files may be read from. Nothing is open unless it is named here.
#[derive(Debug, Clone, Default, Args)]
pub struct SourceOptions {
    /// TOML file of buckets with their endpoints and keys
    #[arg(long, env = "LAMINA_BUCKETS_FILE", value_name = "FILE")]
    pub buckets_file: Option<PathBuf>,

    /// Buckets that may be read with the settings `LAMINA_S3_*`, comma separated; `*` for every bucket
    #[arg(
        long,
        env = "LAMINA_S3_BUCKETS",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub s3_buckets: Vec<String>,

    /// Address of the bucket server, such as `https://minio.example:9000`; that of AWS when absent
    #[arg(long, env = "LAMINA_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,

    /// Region of the buckets
    #[arg(
        long,
        env = "LAMINA_S3_REGION",
        value_name = "REGION",
        default_value = "us-east-1"
    )]
    pub s3_region: String,

    /// Access key id; without one, buckets are read as everybody may
    #[arg(
        long,
        env = "LAMINA_S3_ACCESS_KEY_ID",
        value_name = "ID",
        hide_env_values = true
    )]
    pub s3_access_key_id: Option<String>,

    /// File that holds the secret access key
    #[arg(long, env = "LAMINA_S3_SECRET_ACCESS_KEY_FILE", value_name = "FILE")]
    pub s3_secret_access_key_file: Option<PathBuf>,

    /// Address buckets as `https://host/bucket` instead of `https://bucket.host`
    #[arg(long, env = "LAMINA_S3_PATH_STYLE", default_value_t = false, action = clap::ArgAction::SetTrue)]
    pub s3_path_style: bool,

    /// PEM file of an authority to trust beside the public ones
    #[arg(long, env = "LAMINA_S3_CA_FILE", value_name = "FILE")]
    pub s3_ca_file: Option<PathBuf>,

    /// Hosts that `http(s)://` lists and files may be read from, comma separated, with a port unless it is 80 or 443; `*` for every public host
    #[arg(
        long,
        env = "LAMINA_WEB_SOURCES",
        value_name = "HOSTS",
        value_delimiter = ','
    )]
    pub web_sources: Vec<String>,

    /// Private networks that those hosts may stand in, such as `10.0.0.0/8`, comma separated; none by default
    #[arg(
        long,
        env = "LAMINA_PRIVATE_SOURCES",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    pub private_sources: Vec<Network>,
}

/// Models and the device they run on.
#[derive(Debug, Clone, Args)]
pub struct InferenceOptions {
    /// `auto`, `cpu`, `cuda`, `cuda:0,1` or `tensorrt`; all but `auto` refuse to start when the device does not work
    #[arg(
        long,
        env = "LAMINA_DEVICE",
        global = true,
        value_name = "DEVICE",
        default_value = "auto"
    )]
    pub device: String,

    /// ONNX Runtime library file; found by itself when absent
    #[arg(long, env = "LAMINA_ONNXRUNTIME", global = true, value_name = "FILE")]
    pub onnxruntime: Option<PathBuf>,

    /// Folder of model packages, beside those pulled into the data directory; found beside the binary or the checkout when absent
    #[arg(long, env = "LAMINA_MODELS_DIR", global = true, value_name = "DIR")]
    pub models_dir: Option<PathBuf>,

    /// Package of the `INDEX` slot, the encoder that ingest runs, whatever the slot is bound to
    #[arg(long, env = "LAMINA_INDEX_PACKAGE", global = true, value_name = "NAME")]
    pub index_package: Option<String>,

    /// How long a model stays loaded that nobody uses, such as `15m`; 0 keeps all
    #[arg(long, env = "LAMINA_MODEL_IDLE", global = true, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    pub model_idle: Duration,

    /// Threads of one model session on the CPU
    #[arg(
        long,
        env = "LAMINA_INFERENCE_THREADS",
        global = true,
        value_name = "N",
        default_value_t = 1
    )]
    pub inference_threads: usize,
}

/// The background worker.
#[derive(Debug, Clone, Args)]
pub struct WorkerOptions {
    /// Chunks worked on at once; 0 takes one per core, at least two
    #[arg(
        long,
        env = "LAMINA_WORKER_SLOTS",
        value_name = "N",
        default_value_t = 0
    )]
    pub worker_slots: usize,

    /// How long a claimed chunk stays claimed without a sign of life, such as `30s`
    #[arg(long, env = "LAMINA_LEASE", value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub lease: Duration,

    /// Files of one chunk of an ingest
    #[arg(long, env = "LAMINA_CHUNK_FILES", value_name = "N", default_value_t = DEFAULT_CHUNK_FILES)]
    pub chunk_files: usize,

    #[command(flatten)]
    pub sources: SourceOptions,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            worker_slots: 0,
            lease: Duration::from_secs(DEFAULT_LEASE_S),
            chunk_files: DEFAULT_CHUNK_FILES,
            sources: SourceOptions::default(),
        }
    }
}

/// Memory and index settings shared by server and worker.
#[derive(Debug, Clone, Args)]
pub struct IndexOptions {
    /// Memory for loaded datasets, in bytes; the least recently used goes first
    #[arg(long, env = "LAMINA_SNAPSHOT_BYTES", value_name = "BYTES", default_value_t = DEFAULT_SNAPSHOT_BYTES)]
    pub snapshot_bytes: usize,

    /// Datasets up to this many vectors are searched exactly
    #[arg(long, env = "LAMINA_EXACT_LIMIT", value_name = "N", default_value_t = DEFAULT_EXACT_LIMIT)]
    pub exact_limit: usize,
}

impl Default for IndexOptions {
    fn default() -> Self {
        Self {
            snapshot_bytes: DEFAULT_SNAPSHOT_BYTES,
            exact_limit: DEFAULT_EXACT_LIMIT,
        }
    }
}

/// Logs and metrics.
#[derive(Debug, Clone, Args)]
pub struct TelemetryOptions {
    /// Log filter in the form `info,lamina_http=debug`
    #[arg(
        long,
        env = "LAMINA_LOG",
        value_name = "FILTER",
        default_value = "info",
        global = true
    )]
    pub log: String,

    /// `text` or `json`
    #[arg(long, env = "LAMINA_LOG_FORMAT", value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"], global = true)]
    pub log_format: String,
}

/// Prometheus metrics.
#[derive(Debug, Clone, Args)]
pub struct MetricsOptions {
    /// Address of the Prometheus page `/metrics`; off when absent
    #[arg(long, env = "LAMINA_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
}

/// `/var/lib/lamina` for root, whose home no other user may enter; else the user's data home.
fn default_data_dir() -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the binary, where configuration is read"
    )]
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|value: &String| !value.is_empty())
            .map(PathBuf::from)
    };
    if rustix::process::getuid().is_root() {
        return PathBuf::from("/var/lib/lamina");
    }
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("."))
        .join("lamina")
}

/// Reads `90`, `90s`, `10m`, `24h` or `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => {
            return Err(format!(
                "{text:?} is not a time such as 90s, 10m, 24h or 7d"
            ));
        }
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is not a time such as 90s, 10m, 24h or 7d"))?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| format!("{text:?} is too long"))
}

/// The names of all `LAMINA_*` variables of the environment that `known` does not list: surely mistyped.
pub fn unknown_variables(known: &[String]) -> Vec<String> {
    let mut unknown: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("LAMINA_") && !known.contains(name))
        .collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_and_without_unit() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in [
            "",
            "m",
            "10 m",
            "-5s",
            "1.5h",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
