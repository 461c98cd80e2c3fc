//! What handlers share, and how the HTTP side is configured.

use std::sync::Arc;
use std::time::Duration;

use lamina_store::remote::Remotes;
use lamina_store::settings::LogLevel;
use lamina_store::sqlx::PgPool;
use lamina_store::{BlobStore, Principal, Secret, Secrets, passwords};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::auth::HostList;
use crate::auth::sign_in::SignIns;
use crate::enrich::ModelSide;
use crate::links::{LinkKeys, LinkMaker, Origin};
use crate::oidc::Oidc;
use crate::read_side::ReadSide;
use crate::readiness::Readiness;
use crate::recent::RecentMedia;
use crate::roots::IngestRoots;
use crate::upload::{Spool, UploadLimits};
use crate::{ApiError, now};

/// Objects cut out at once: each holds a decoded picture, and a page asks for hundreds.
const CUTTINGS: usize = 4;

/// Clients that may listen for notifications at once.
const LISTENERS: usize = 256;

/// Who may call.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// A signed token with every request.
    Jwt,
    /// Everybody, as this one user, who owns everything; `Authorization` is ignored.
    None {
        /// The implicit user: `User::implicit_principal`.
        user: Principal,
        /// Host names this server answers to.
        hosts: HostList,
    },
}

/// Settings of the HTTP side; read once by the binary.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Start of links in answers; taken from each request when absent.
    pub public_origin: Option<Origin>,
    /// Who may call.
    pub auth: AuthMode,
    /// What an upload may take.
    pub uploads: UploadLimits,
    /// Buckets and hosts that files may be read from.
    pub remotes: Remotes,
    /// Folders that may be ingested by path.
    pub ingest_roots: IngestRoots,
    /// Least life of a media link.
    pub link_ttl: Duration,
    /// How long a request without an upload may take.
    pub request_timeout: Duration,
    /// Query pictures that are held in memory at once.
    pub query_pictures: usize,
    /// What is logged unless an admin said otherwise.
    pub log_level: LogLevel,
    /// Through which people may sign in, too.
    pub oidc: Option<Arc<Oidc>>,
}

impl HttpConfig {
    /// Settings with the documented defaults.
    pub fn new(auth: AuthMode) -> Self {
        Self {
            public_origin: None,
            auth,
            uploads: UploadLimits::default(),
            remotes: Remotes::default(),
            ingest_roots: IngestRoots::default(),
            link_ttl: Duration::from_secs(24 * 3_600),
            request_timeout: Duration::from_secs(30),
            query_pictures: 4,
            log_level: LogLevel::Info,
            oidc: None,
        }
    }
}

/// Everything a handler may use. Cheap to clone.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

/// The parts of [`AppState`].
pub struct Inner {
    /// The database.
    pub pool: PgPool,
    /// The blobs.
    pub blobs: BlobStore,
    /// The read side.
    pub explorer: Arc<dyn ReadSide>,
    /// The models that can be applied.
    pub models: Arc<dyn ModelSide>,
    /// Opens API secrets.
    pub secrets: Arc<Secrets>,
    /// Signs media links.
    pub links: LinkKeys,
    /// Settings.
    pub config: HttpConfig,
    /// Whether the server can serve.
    pub readiness: Readiness,
    /// Work that must come to its end even when the client leaves; shutdown waits for it.
    pub tasks: TaskTracker,
    pub(crate) spool: Spool,
    pub(crate) query_pictures: Arc<Semaphore>,
    /// Objects that are cut out of pictures at once.
    pub(crate) cuttings: Semaphore,
    /// What stands in for the database while it is away.
    pub(crate) recent: RecentMedia,
    /// What tokens of unknown keys are checked with, so that they cost as much as others.
    pub(crate) dummy_secret: Secret,
    /// Clients that listen for notifications at once: each asks the database every second.
    pub(crate) listeners: Arc<Semaphore>,
    /// What is known of attempts to sign in.
    pub(crate) sign_ins: SignIns,
    /// What passwords of unknown names are compared with, so that they cost as much as others.
    pub(crate) dummy_password_hash: String,
}

/// The parts that the binary brings.
pub struct AppParts {
    /// The database.
    pub pool: PgPool,
    /// The blobs.
    pub blobs: BlobStore,
    /// The read side: an `Explorer`.
    pub explorer: Arc<dyn ReadSide>,
    /// The models that can be applied.
    pub models: Arc<dyn ModelSide>,
    /// Opens API secrets.
    pub secrets: Arc<Secrets>,
    /// Signs media links: [`LinkKeys::of`] the same secrets.
    pub links: LinkKeys,
    /// Settings.
    pub config: HttpConfig,
    /// Whether the server can serve.
    pub readiness: Readiness,
    /// Work that shutdown waits for.
    pub tasks: TaskTracker,
}

impl AppState {
    /// Puts the parts together.
    pub fn new(parts: AppParts) -> Self {
        let AppParts {
            pool,
            blobs,
            explorer,
            models,
            secrets,
            links,
            config,
            readiness,
            tasks,
        } = parts;
        let spool = Spool::new(blobs.staging_dir());
        let query_pictures = Arc::new(Semaphore::new(config.query_pictures));
        let dummy_secret = Secret::new(format!(
            "{:032x}{:032x}",
            rand::random::<u128>(),
            rand::random::<u128>()
        ));
        // A failure leaves a text that is no hash: unknown names are refused sooner then, but refused.
        let dummy_password_hash = passwords::hash(&dummy_secret).unwrap_or_default();
        Self(Arc::new(Inner {
            pool,
            blobs,
            explorer,
            models,
            secrets,
            links,
            config,
            readiness,
            tasks,
            spool,
            query_pictures,
            cuttings: Semaphore::new(CUTTINGS),
            recent: RecentMedia::default(),
            dummy_secret,
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            sign_ins: SignIns::default(),
            dummy_password_hash,
        }))
    }

    /// What the caller's browser calls this server.
    pub(crate) fn origin(&self, headers: &http::HeaderMap) -> Origin {
        let configured = self.config.public_origin.clone();
        configured.unwrap_or_else(|| Origin::of_request(headers))
    }

    /// Links for one answer.
    pub(crate) fn link_maker(&self, headers: &http::HeaderMap) -> LinkMaker {
        let origin = self.origin(headers);
        let lifetime_s = i64::try_from(self.config.link_ttl.as_secs()).unwrap_or(i64::MAX);
        LinkMaker::new(self.links.clone(), origin, now::unix_seconds(), lifetime_s)
    }

    /// Runs a state change to its end even if the client leaves meanwhile: a handler is dropped at any await, and a
    /// transaction or a file must not be cut in half.
    ///
    /// # Errors
    /// Those of `work`; 500 when it panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        use tracing::Instrument as _;
        self.tasks
            .spawn(work.in_current_span())
            .await
            .map_err(ApiError::internal)?
    }
}

impl std::ops::Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
