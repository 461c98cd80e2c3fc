//! The first minutes: the demo dataset, and what to do with it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use lamina_store::Secret;
use lamina_store::datasets as store_datasets;
use lamina_store::keys::LiveKey;
use lamina_store::sqlx::PgPool;
use lamina_store::users::User;
use lamina_types::{DatasetId, DatasetStatus, ServeMode, SourceType};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::commands::demo_pictures;
use crate::datasets::{self, NewImport};
use crate::home::{Home, absolute};
use crate::output;
use crate::watch;

/// Name of the demo dataset.
const DEMO: &str = "Demo";

/// Life of the token in the printed command.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// What the closing words need, once the server's own parts are busy serving.
struct Guide {
    pool: PgPool,
    url: String,
    user: User,
    key: LiveKey,
    secret: Secret,
    keys_file: PathBuf,
    datasets: Vec<DatasetId>,
}

/// Makes the demo dataset if the user has none, and one of `photos`; prints how to go on once they are there.
///
/// # Errors
/// The pictures cannot be written; the database.
pub async fn start(
    home: &Home,
    user: &User,
    photos: Option<PathBuf>,
    url: String,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut made = Vec::new();
    let known = store_datasets::list_visible(&home.pool, &user.principal()).await?;
    let demo = known
        .iter()
        .map(|access| access.dataset())
        .find(|dataset| dataset.display_name == DEMO);
    match demo.filter(|dataset| dataset.status != DatasetStatus::Error) {
        Some(dataset) => made.push(dataset.id),
        None => {
            let folder = home.dir.join("demo-pictures");
            let target = folder.clone();
            tokio::task::spawn_blocking(move || demo_pictures::write(&target)).await??;
            let new = NewImport {
                path: &folder,
                name: DEMO,
                serve_mode: ServeMode::Copy,
                source_type: SourceType::Vl,
            };
            made.push(datasets::create(home, user, &new).await?.id);
        }
    }
    if let Some(photos) = photos {
        let folder = absolute(&photos).context("PHOTOS must name a folder")?;
        let uri = folder.display().to_string();
        let known = known
            .iter()
            .map(|access| access.dataset())
            .find(|dataset| dataset.source_uri == uri);
        match known.filter(|dataset| dataset.status != DatasetStatus::Error) {
            Some(dataset) => made.push(dataset.id),
            None => {
                let name = folder
                    .file_name()
                    .map_or_else(|| uri.clone(), |name| name.to_string_lossy().into_owned());
                let new = NewImport {
                    path: &folder,
                    name: &name,
                    serve_mode: ServeMode::Copy,
                    source_type: SourceType::Folder,
                };
                made.push(datasets::create(home, user, &new).await?.id);
            }
        }
    }
    let (key, secret) = home.live_key(user).await?;
    let guide = Guide {
        pool: home.pool.clone(),
        url,
        user: user.clone(),
        key,
        secret,
        keys_file: home.keys_file(),
        datasets: made,
    };
    tasks.spawn(async move {
        if let Err(error) = guide.show(&stop).await
            && !stop.is_cancelled()
        {
            tracing::warn!("the quick start did not end well: {error:#}");
        }
    });
    Ok(())
}

impl Guide {
    async fn show(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        for id in &self.datasets {
            let ended = watch::until_at_rest(&self.pool, *id, false, stop).await?;
            let dataset = &ended.dataset;
            output::line(format_args!(
                "dataset {:<24} {}  {} pictures, {} files rejected  {}",
                dataset.display_name,
                dataset.status,
                dataset.n_images,
                ended.counts.rejected,
                dataset.id
            ));
        }
        let Some(dataset) = self.datasets.last() else {
            return Ok(());
        };
        let token = lamina_http::issue_token(&self.key.id, self.secret.expose(), TOKEN_LIFE)?;
        let Self {
            url,
            user,
            key,
            secret,
            keys_file,
            ..
        } = self;
        let (name, secret, keys_file) = (&user.name, secret.expose(), keys_file.display());
        output::line(format_args!(
            "
  address   {url}/api/v1        description: {url}/api/v1/docs
  user      {name}
  key       {}
  secret    {secret}
            kept encrypted in the database; the key that opens it is in {keys_file}

try this (the token lives for an hour; `lamina token` prints fresh ones):

  curl -s -H 'Authorization: Bearer {token}' \\
    '{url}/api/v1/explore/{dataset}?entity_type=IMAGES&threshold=2'

then: search with a picture of your own (POST {url}/api/v1/dataset/{dataset}/search-image-similarity),
ingest a folder (`lamina import FOLDER --name NAME --wait`), or point a Visual Layer client at {url}.
Ctrl-C stops the server; everything is still there when it starts again.",
            key.id
        ));
        Ok(())
    }
}
