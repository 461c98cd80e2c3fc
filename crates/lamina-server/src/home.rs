//! A data directory, opened: database, keys, blobs.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lamina_postgres::{ClusterOptions, PrivateCluster};
use lamina_store::keys::{self, LiveKey, NewKey};
use lamina_store::sqlx::PgPool;
use lamina_store::users::{self, User};
use lamina_store::{BlobOptions, BlobStore, DatabaseOptions as PoolOptions, Role, Secret, Secrets};
use lamina_types::UserId;

use crate::config::{DataOptions, DatabaseOptions};

/// Name of the user that an empty data directory starts with.
const FIRST_USER: &str = "admin";

/// Whether this process keeps the private cluster for itself or only visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// The server: it owns the cluster for as long as it runs.
    Owner,
    /// Any other verb: it uses the owner's cluster, or starts and stops it.
    Visitor,
}

/// What every verb that touches data works with.
pub struct Home {
    /// The data directory.
    pub dir: PathBuf,
    /// The database, migrated.
    pub pool: PgPool,
    /// Keys that seal secrets and sign links.
    pub secrets: std::sync::Arc<Secrets>,
    /// Originals, thumbnails, generations.
    pub blobs: BlobStore,
    cluster: Option<PrivateCluster>,
}

impl Home {
    /// Opens (or makes) the data directory, connects and migrates.
    ///
    /// # Errors
    /// Each message says what is missing and how to get it.
    pub async fn open(
        data: &DataOptions,
        database: &DatabaseOptions,
        stay: Stay,
    ) -> anyhow::Result<Self> {
        fs_err::create_dir_all(&data.data_dir)?;
        let dir = fs_err::canonicalize(&data.data_dir)?;
        let (url, cluster) = match &database.database_url {
            Some(url) => (url.clone(), None),
            None => {
                let options = ClusterOptions {
                    data_dir: dir.clone(),
                    bin_dir: database.pg_bin.clone(),
                    durable: true,
                };
                // The cluster's watcher is tied to the thread that starts it, so that is not one of a pool.
                let cluster = start_cluster(options, stay).await?;
                (cluster.url(), Some(cluster))
            }
        };
        let password = match &database.database_password_file {
            Some(file) => Some(Secret::new(fs_err::read_to_string(file)?.trim().to_owned())),
            None => None,
        };
        let options = PoolOptions {
            max_connections: database.database_connections,
            password,
            ..PoolOptions::new(url)
        };
        let pool = lamina_store::connect(&options)
            .await
            .context("Postgres could not be reached")?;
        lamina_store::migrate(&pool)
            .await
            .context("the database schema could not be brought up to date")?;
        let secrets = std::sync::Arc::new(Secrets::load_or_create(&dir.join("keys.json"))?);
        let blobs = BlobStore::open(dir.join("blobs"), BlobOptions::default())?;
        Ok(Self {
            dir,
            pool,
            secrets,
            blobs,
            cluster,
        })
    }

    /// Whether this process runs the private cluster itself, so that nobody else can be working on jobs.
    pub fn is_alone(&self) -> bool {
        self.cluster.as_ref().is_some_and(PrivateCluster::is_owner)
    }

    /// Path of the file that keeps the master key.
    pub fn keys_file(&self) -> PathBuf {
        self.dir.join("keys.json")
    }

    /// Disconnects, and stops the private cluster if it is ours.
    pub async fn close(self) {
        self.pool.close().await;
        if let Some(cluster) = self.cluster {
            // Stopping waits for the server to write everything down: seconds.
            let _ = tokio::task::spawn_blocking(move || cluster.stop()).await;
        }
    }

    /// The user by name, or the first admin.
    ///
    /// # Errors
    /// Nobody of that name.
    pub async fn user(&self, name: Option<&str>) -> anyhow::Result<User> {
        match name {
            Some(name) => users::by_name(&self.pool, name)
                .await?
                .with_context(|| format!("there is no user named {name:?}")),
            None => users::first_admin(&self.pool).await?.context(
                "there is no admin yet: start `lamina serve` once, or run `lamina keys create`",
            ),
        }
    }

    /// The first admin, made on an empty data directory together with a key.
    ///
    /// # Errors
    /// The database.
    pub async fn ensure_first_user(&self) -> anyhow::Result<User> {
        if let Some(user) = users::first_admin(&self.pool).await? {
            return Ok(user);
        }
        let user = users::create(&self.pool, UserId::new(), FIRST_USER, None, Role::Admin).await?;
        let new = NewKey {
            name: "first key".to_owned(),
            ..NewKey::default()
        };
        keys::create(&self.pool, &self.secrets, user.id, &new).await?;
        tracing::info!(user.name = FIRST_USER, "made the first user and an API key");
        Ok(user)
    }

    /// A key of the user that works now, with its secret.
    ///
    /// # Errors
    /// The user has none.
    pub async fn live_key(&self, user: &User) -> anyhow::Result<(LiveKey, Secret)> {
        for key in keys::list(&self.pool, user.id).await? {
            if let Some(live) = keys::live(&self.pool, &key.id).await? {
                let secret = live.secret(&self.secrets)?;
                return Ok((live, secret));
            }
        }
        anyhow::bail!(
            "user {:?} has no live key: make one by `lamina keys create --user {}`",
            user.name,
            user.name
        )
    }
}

async fn start_cluster(options: ClusterOptions, stay: Stay) -> anyhow::Result<PrivateCluster> {
    let started = tokio::task::spawn_blocking(move || match stay {
        Stay::Owner => PrivateCluster::start(&options),
        Stay::Visitor => PrivateCluster::connect_or_start(&options),
    });
    Ok(started.await??)
}

/// A path made absolute and free of links, for specs that are read later by another process.
pub fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    Ok(fs_err::canonicalize(path)?)
}
