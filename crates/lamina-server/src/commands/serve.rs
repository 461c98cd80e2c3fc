//! `lamina serve`: the API, and by default a worker inside.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lamina_explore::Explorer;
use lamina_http::{
    AppParts, AppState, AuthMode, HostList, HttpConfig, IngestRoots, LinkKeys, Origin, Readiness,
    ServeLimits, UploadLimits,
};
use lamina_store::remote::Remotes;
use lamina_store::settings::LogLevel;
use lamina_store::users::User;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::ServeArgs;
use crate::commands::quick_start;
use crate::config::HttpOptions;
use crate::home::{Home, Stay};
use crate::model_side::ServerModels;
use crate::telemetry::LogControl;
use crate::{engine, metrics, output, provider, signals, upkeep};

/// How long tasks may take to end once the listener is closed.
const LAST_TASKS: Duration = Duration::from_secs(3);

/// Serves until told to stop.
///
/// # Errors
/// Something needed at the start is missing; each message says what and how to get it.
pub async fn run(mut args: ServeArgs, log: LogControl) -> anyhow::Result<ExitCode> {
    let tasks = TaskTracker::new();
    let stop = signals::stop_token()?;
    refuse_open_network(&args.http)?;
    // Early, so that a port in use is said before seconds are spent on models.
    let listener = TcpListener::bind(args.http.listen).await.with_context(|| {
        format!(
            "{} cannot be listened on: is another server running there?",
            args.http.listen
        )
    })?;
    let address = listener.local_addr()?;

    let home = Home::open(&args.data, &args.database, Stay::Owner).await?;
    let user = home.ensure_first_user().await?;
    let encoders = engine::start_encoders(&args.inference, &home).await?;
    let explorer = engine::explorer(&home, &encoders, &args.index, args.http.threshold_sense);
    let readiness = Readiness::default();
    if let Some(photos) = &args.photos {
        args.http.ingest_roots.push(photos.clone());
    }
    let workshop = engine::workshop(&home, &encoders, &args.worker, &args.index)?;
    let remotes = workshop.remotes.clone();
    let sides = Sides {
        explorer: explorer.clone(),
        models: ServerModels::new(workshop),
        remotes,
        log_level: log.configured(),
    };
    let router = lamina_http::router(state(&home, &user, sides, &readiness, &tasks, &args.http)?);
    metrics::serve(
        args.metrics.metrics_listen,
        &encoders,
        &explorer,
        &tasks,
        &stop,
    )
    .await?;
    upkeep::start(&home, &tasks, &stop);
    upkeep::start_models(&home, &encoders, &tasks, &stop);
    upkeep::start_log_level(&home, log, &tasks, &stop);

    let worker_done = TaskTracker::new();
    if !args.no_worker {
        let runner = engine::worker(&home, &explorer, &args.worker, &args.index)?;
        let stop = stop.clone();
        worker_done.spawn(async move { runner.run(stop).await });
    }
    worker_done.close();

    readiness.set_model(Ok(()));
    let url = format!("http://{address}");
    output::line(format_args!("lamina is listening on {url}"));
    if args.quick_start {
        quick_start::start(&home, &user, args.photos.clone(), url, &tasks, stop.clone()).await?;
    }

    let going_down = stop_being_ready(&readiness, &stop);
    let limits = ServeLimits {
        max_connections: args.http.max_connections,
        ..ServeLimits::default()
    };
    let (served, ()) = tokio::join!(
        lamina_http::serve(listener, router, limits, stop.clone()),
        going_down
    );
    stop.cancel();
    explorer.stop().await;
    worker_done.wait().await;
    tasks.close();
    if tokio::time::timeout(LAST_TASKS, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            tasks = tasks.len(),
            "some background tasks did not end in time"
        );
    }
    encoders.models().shutdown().await;
    home.close().await;
    served.context("the listener broke")?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn stop_being_ready(readiness: &Readiness, stop: &CancellationToken) {
    stop.cancelled().await;
    readiness.begin_shutdown();
}

/// Without authentication everybody who reaches the port owns everything.
fn refuse_open_network(options: &HttpOptions) -> anyhow::Result<()> {
    let is_open = options.auth == "none" && !options.listen.ip().is_loopback();
    anyhow::ensure!(
        !is_open || options.allow_open_network,
        "--auth none with the address {} lets everybody on the network own everything: listen on 127.0.0.1, use \
         --auth jwt, or say --allow-open-network as well",
        options.listen
    );
    Ok(())
}

/// What the routes read through.
struct Sides {
    explorer: Explorer,
    models: ServerModels,
    remotes: Remotes,
    log_level: LogLevel,
}

fn state(
    home: &Home,
    user: &User,
    sides: Sides,
    readiness: &Readiness,
    tasks: &TaskTracker,
    options: &HttpOptions,
) -> anyhow::Result<AppState> {
    let auth = match options.auth.as_str() {
        "none" => AuthMode::None {
            user: user.implicit_principal(),
            hosts: HostList::new(options.allowed_hosts.iter().cloned()),
        },
        _ => AuthMode::Jwt,
    };
    let uploads = UploadLimits {
        max_file_bytes: options.max_upload_bytes,
        max_archive_bytes: options.max_archive_bytes,
        ..UploadLimits::default()
    };
    let config = HttpConfig {
        public_origin: options
            .public_origin
            .as_deref()
            .map(Origin::parse)
            .transpose()?,
        uploads,
        remotes: sides.remotes,
        ingest_roots: IngestRoots::new(options.ingest_roots.iter().cloned())
            .context("an ingest root does not exist")?,
        link_ttl: options.link_ttl,
        log_level: sides.log_level,
        oidc: provider::open(options)?,
        ..HttpConfig::new(auth)
    };
    Ok(AppState::new(AppParts {
        pool: home.pool.clone(),
        blobs: home.blobs.clone(),
        explorer: Arc::new(sides.explorer),
        models: Arc::new(sides.models),
        secrets: Arc::clone(&home.secrets),
        links: LinkKeys::of(&home.secrets).context("the keys file holds no link key")?,
        config,
        readiness: readiness.clone(),
        tasks: tasks.clone(),
    }))
}
