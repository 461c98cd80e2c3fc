//! What an addition to a large dataset takes until its media are found, and whether a reindex makes the dataset what a fresh
//! build is: a real ingest, the real router, a worker, a private database.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use lamina_explore::{ThresholdSense, generations as building};
use lamina_index::{FileBytes, Generation};
use lamina_store::users::User;
use lamina_store::{generations, media, spaces, sqlx};
use lamina_types::{DatasetId, DatasetStatus, EntityType, MediaId, ServeMode, SourceType, Space};
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::explore::queries::Query;
use super::pictures::Pictures;
use super::serving::serve;
use super::whole::private_home;
use crate::config::{IndexOptions, InferenceOptions, WorkerOptions};
use crate::datasets::{self, NewImport};
use crate::home::Home;
use crate::model_side::ServerModels;
use crate::{engine, output};

/// What is measured, and how the figures are shown.
#[derive(Debug, clap::Args)]
pub struct AdditionsBench {
    #[command(flatten)]
    inference: InferenceOptions,
    /// Pictures of the dataset before anything is added
    #[arg(long, default_value_t = 10_000)]
    pictures: usize,
    /// Pictures added at once
    #[arg(long, default_value_t = 100)]
    added: usize,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    json: bool,
}

/// How often a status is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Media asked for at once: fewer than a page has clusters.
const ASKED_AT_ONCE: usize = 50;
/// Distance within which a picture finds itself; vectors are stored in half precision.
const ITSELF: f32 = 0.01;

/// What one run gave.
#[derive(Debug, Serialize)]
struct Report {
    pictures: usize,
    added: usize,
    /// From the request until every added picture was found.
    addition_s: f64,
    /// From the moment the last of their vectors was there until the dataset could be asked, and until every added picture had
    /// been seen, found in a cluster and found by itself, one request after the other.
    published_after_s: f64,
    found_after_s: f64,
    /// How many of the added pictures came into a cluster that was there, by level, finest first.
    joined: Vec<usize>,
    reindex_s: f64,
    /// Clusters after the reindex, by level; those of a fresh build of all files are the same, or this bench fails.
    clusters: Vec<usize>,
}

/// Measures and prints.
///
/// # Errors
/// No Postgres, no model, no disk; an added picture that is not found; clusters that a fresh build would not have.
pub async fn run(bench: &AdditionsBench) -> anyhow::Result<()> {
    let place = tempfile::Builder::new().prefix("lamina-bench-").tempdir()?;
    let (folder, counts) = (place.path().to_owned(), (bench.pictures, bench.added));
    let folders = tokio::task::spawn_blocking(move || Folders::write(&folder, counts)).await??;
    let home = private_home(place.path()).await?;
    let outcome = with_home(bench, &home, &folders).await;
    home.close().await;
    let report = outcome?;
    if bench.json {
        return output::json(&report);
    }
    report.show();
    Ok(())
}

/// The files: those of the dataset, those that are added, and all of them in the order in which they will be media.
struct Folders {
    first: PathBuf,
    more: PathBuf,
    all: PathBuf,
}

impl Folders {
    fn write(place: &Path, (pictures, added): (usize, usize)) -> anyhow::Result<Self> {
        let folders = Self {
            first: place.join("first"),
            more: place.join("more"),
            all: place.join("all"),
        };
        Pictures::draw().write(&folders.all, pictures + added)?;
        fs_err::create_dir_all(&folders.first)?;
        fs_err::create_dir_all(&folders.more)?;
        for (number, entry) in sorted(&folders.all)?.iter().enumerate() {
            let folder = if number < pictures {
                &folders.first
            } else {
                &folders.more
            };
            let name = entry.file_name().context("a file without a name")?;
            fs_err::hard_link(entry, folder.join(name))?;
        }
        Ok(folders)
    }
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = fs_err::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<PathBuf>>>()?;
    files.sort();
    Ok(files)
}

async fn with_home(
    bench: &AdditionsBench,
    home: &Home,
    folders: &Folders,
) -> anyhow::Result<Report> {
    let owner = home.ensure_first_user().await?;
    let encoders = engine::start_encoders(&bench.inference, home).await?;
    let (worker, index) = (WorkerOptions::default(), IndexOptions::default());
    let explorer = engine::explorer(home, &encoders, &index, ThresholdSense::default());
    let workshop = engine::workshop(home, &encoders, &worker, &index)?;
    let runner = engine::runner(&workshop, &explorer, &worker);
    let models = ServerModels::new(workshop);
    let roots = [folders.more.clone()];
    let (address, served) = serve(home, &owner, explorer.clone(), models, roots).await?;
    let stop = CancellationToken::new();
    let run = Run {
        bench,
        home,
        owner,
        address,
    };
    let (report, ()) = tokio::join!(
        async {
            let report = Box::pin(run.measure(folders)).await;
            stop.cancel();
            report
        },
        runner.run(stop.clone())
    );
    served.cancel();
    explorer.stop().await;
    encoders.models().shutdown().await;
    report
}

struct Run<'a> {
    bench: &'a AdditionsBench,
    home: &'a Home,
    owner: User,
    address: SocketAddr,
}

impl Run<'_> {
    async fn measure(&self, folders: &Folders) -> anyhow::Result<Report> {
        let dataset = self.ingested(&folders.first).await?;
        let before = self.generation(dataset).await?;
        let mut client = Client::connect(self.address).await?;

        let (begun, folder) = (Instant::now(), folders.more.display());
        let target = format!("/api/v1/process/add_media?dataset_id={dataset}&path={folder}");
        accepted(&mut client, "GET", &target).await?;
        self.until(dataset, DatasetStatus::PartialIndex).await?;
        let published = Utc::now();
        let ids = media::of_batch(&self.home.pool, dataset, 1).await?;
        anyhow::ensure!(ids.len() == self.bench.added, "{} were added", ids.len());
        find_all(&mut client, dataset, &ids).await?;
        let (found, addition_s) = (Utc::now(), begun.elapsed().as_secs_f64());
        let embedded = self.last_vector_at(&ids).await?;
        let placed = self.generation(dataset).await?;
        let count = before.vectors.len();
        for (old, new) in before.levels.iter().zip(&placed.levels) {
            let is_kept = new.get(..count) == Some(old.as_slice());
            anyhow::ensure!(is_kept, "what was there changed its clusters");
        }
        let joined = placed.levels.iter().map(|level| joined(level, count));
        let joined = joined.collect();

        let begun = Instant::now();
        let target = format!("/api/v1/dataset/{dataset}/reindex");
        accepted(&mut client, "POST", &target).await?;
        self.until(dataset, DatasetStatus::Ready).await?;
        let reindex_s = begun.elapsed().as_secs_f64();
        let reindexed = self.generation(dataset).await?;
        let fresh = self.ingested(&folders.all).await?;
        must_be_equal(&reindexed, &self.generation(fresh).await?)?;

        let clusters = reindexed.levels.iter().map(|level| clusters(level));
        Ok(Report {
            pictures: self.bench.pictures,
            added: self.bench.added,
            addition_s,
            published_after_s: seconds(published - embedded),
            found_after_s: seconds(found - embedded),
            joined,
            reindex_s,
            clusters: clusters.collect(),
        })
    }

    /// A dataset of a folder, READY.
    async fn ingested(&self, folder: &Path) -> anyhow::Result<DatasetId> {
        let new = NewImport {
            path: folder,
            name: "bench",
            serve_mode: ServeMode::Copy,
            source_type: SourceType::Folder,
        };
        let dataset = datasets::create(self.home, &self.owner, &new).await?.id;
        self.until(dataset, DatasetStatus::Ready).await?;
        Ok(dataset)
    }

    /// Waits until a dataset is at rest again.
    async fn until(&self, dataset: DatasetId, wanted: DatasetStatus) -> anyhow::Result<()> {
        use DatasetStatus::{Error, PartialIndex, Ready};
        let mut every = tokio::time::interval(LOOK);
        loop {
            every.tick().await;
            let found = lamina_store::datasets::find(&self.home.pool, dataset).await?;
            let found = found.context("the dataset is gone")?;
            if found.status == wanted {
                return Ok(());
            }
            let is_at_rest = matches!(found.status, Error | PartialIndex | Ready);
            anyhow::ensure!(
                !is_at_rest,
                "the dataset is {}: {:?}",
                found.status,
                found.fatal_error_msg
            );
        }
    }

    async fn generation(&self, dataset: DatasetId) -> anyhow::Result<Generation> {
        let (pool, entity, space) = (&self.home.pool, EntityType::Images, Space::Index);
        let row = generations::latest(pool, dataset, entity, space).await?;
        let row = row.context("the dataset has no generation")?;
        let space = spaces::find(pool, dataset, entity, space).await?;
        let space = space.context("the dataset has no vectors")?;
        let path = self.home.blobs.generation_path(&row.blob_key)?;
        let expected = building::expectation(&row, &space);
        let load = move || -> anyhow::Result<Generation> {
            let file = Arc::new(FileBytes::open(&path)?);
            Ok(Generation::load(&file, &expected)?)
        };
        tokio::task::spawn_blocking(load).await?
    }

    /// When the transaction began that stored the last vector of these media: right after it was made.
    async fn last_vector_at(&self, ids: &[MediaId]) -> anyhow::Result<DateTime<Utc>> {
        let sql = "select max(o.created_at) from outputs o join media m on m.content_id = o.content_id where m.id = any($1)";
        let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
        let found: Option<DateTime<Utc>> = sqlx::query_scalar(sql)
            .bind(ids)
            .fetch_one(&self.home.pool)
            .await?;
        found.context("the added media have no vectors")
    }
}

async fn accepted(client: &mut Client, method: &str, target: &str) -> anyhow::Result<()> {
    let (status, body) = client.send(method, target).await?;
    anyhow::ensure!(
        status == 202,
        "{target} was answered with {status} {}",
        String::from_utf8_lossy(body)
    );
    Ok(())
}

/// Sees every added picture in a cluster, and finds each by itself.
async fn find_all(client: &mut Client, dataset: DatasetId, ids: &[MediaId]) -> anyhow::Result<()> {
    let target = |query: &Query| format!("/api/v1/explore/{dataset}?{}", query.parameters());
    for some in ids.chunks(ASKED_AT_ONCE) {
        let page: Value = serde_json::from_slice(client.get(&target(&Query::these(some))).await?)?;
        let clusters = page["clusters"].as_array().context("no clusters")?;
        let seen = clusters.iter().filter_map(|one| one["n_images"].as_u64());
        anyhow::ensure!(
            seen.sum::<u64>() == some.len() as u64,
            "not every added picture is in a cluster"
        );
    }
    for id in ids {
        let page: Value =
            serde_json::from_slice(client.get(&target(&Query::near(*id, ITSELF))).await?)?;
        let text = id.to_string();
        let clusters = page["clusters"].as_array().into_iter().flatten();
        let mut previews =
            clusters.flat_map(|one| one["previews"].as_array().into_iter().flatten());
        anyhow::ensure!(
            previews.any(|preview| preview["media_id"] == text.as_str()),
            "an added picture does not find itself"
        );
    }
    Ok(())
}

/// How many items from `count` on are in a cluster of one before it. Clusters are named by their lowest ordinal.
fn joined(level: &[u32], count: usize) -> usize {
    let added = level.iter().skip(count);
    added.filter(|name| (**name as usize) < count).count()
}

fn clusters(level: &[u32]) -> usize {
    let items = level.iter().enumerate();
    items
        .filter(|(ordinal, name)| *ordinal == **name as usize)
        .count()
}

/// # Errors
/// Names what differs.
fn must_be_equal(left: &Generation, right: &Generation) -> anyhow::Result<()> {
    for (what, is_equal) in [
        ("vectors", have_same_vectors(left, right)),
        ("neighbours", left.neighbours == right.neighbours),
        ("clusters", left.levels == right.levels),
        ("duplicates", left.duplicates == right.duplicates),
        ("uniqueness", left.uniqueness == right.uniqueness),
        (
            "outliers",
            left.outlier_confidence == right.outlier_confidence,
        ),
    ] {
        anyhow::ensure!(is_equal, "{what} are not those of a fresh build");
    }
    Ok(())
}

fn have_same_vectors(left: &Generation, right: &Generation) -> bool {
    let (left, right) = (&left.vectors, &right.vectors);
    left.len() == right.len() && (0..left.len()).all(|item| left.row(item) == right.row(item))
}

fn seconds(time: chrono::TimeDelta) -> f64 {
    time.num_milliseconds() as f64 / 1_000.0
}

impl Report {
    /// A few lines for people.
    fn show(&self) {
        output::line(format_args!(
            "{} pictures added to {}: published {:.2} s and all found {:.2} s after the last embedding ({:.2} s in all); {:?} \
             joined clusters that were there",
            self.added,
            self.pictures,
            self.published_after_s,
            self.found_after_s,
            self.addition_s,
            self.joined
        ));
        output::line(format_args!(
            "reindex {:.2} s, then equal to a fresh build: {:?} clusters",
            self.reindex_s, self.clusters
        ));
    }
}
