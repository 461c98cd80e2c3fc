//! The real router on a free port of the loopback, for everybody.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use lamina_explore::Explorer;
use lamina_http::{
    AppParts, AppState, AuthMode, HostList, HttpConfig, IngestRoots, LinkKeys, Readiness,
    ServeLimits,
};
use lamina_store::users::User;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::home::Home;
use crate::model_side::ServerModels;

/// Serves until the token is cancelled; `roots` may be read from.
///
/// # Errors
/// No port; a data directory without a link key.
pub async fn serve(
    home: &Home,
    owner: &User,
    explorer: Explorer,
    models: ServerModels,
    roots: impl IntoIterator<Item = PathBuf>,
) -> anyhow::Result<(SocketAddr, CancellationToken)> {
    let auth = AuthMode::None {
        user: owner.implicit_principal(),
        hosts: HostList::new([]),
    };
    let readiness = Readiness::default();
    readiness.set_model(Ok(()));
    let config = HttpConfig {
        ingest_roots: IngestRoots::new(roots)?,
        ..HttpConfig::new(auth)
    };
    let state = AppState::new(AppParts {
        pool: home.pool.clone(),
        blobs: home.blobs.clone(),
        explorer: Arc::new(explorer),
        models: Arc::new(models),
        secrets: Arc::clone(&home.secrets),
        links: LinkKeys::of(&home.secrets).context("the keys file holds no link key")?,
        config,
        readiness,
        tasks: TaskTracker::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (address, stop) = (listener.local_addr()?, CancellationToken::new());
    let (router, stopped) = (lamina_http::router(state), stop.clone());
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let ended = lamina_http::serve(listener, router, ServeLimits::default(), stopped).await;
        if let Err(error) = ended {
            tracing::warn!(%error, "the listener broke");
        }
    });
    Ok((address, stop))
}
