//! What a page of explore takes, through the real router over real connections, on a generated dataset.

mod graph;
mod measure;
pub mod place;
pub mod queries;
mod rows;
mod texts;
mod vectors;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use lamina_explore::{Explorer, ExplorerOptions, ThresholdSense};
use lamina_store::datasets::{self, DatasetAccess};
use lamina_types::EntityType;
use serde::Serialize;

use self::graph::GraphCosts;
use self::measure::{Measured, Pages};
use self::place::{Place, Wanted};
use self::queries::{Bounds, Query, kinds};
use super::client::Client;
use super::memory;
use super::serving::serve;
use crate::config::{DataOptions, DatabaseOptions, IndexOptions, InferenceOptions, WorkerOptions};
use crate::home::{Home, Stay};
use crate::model_side::ServerModels;
use crate::{engine, output};

/// Values of a vector.
const DIMENSION: usize = 512;
/// Memory for the one snapshot: more than any.
const SNAPSHOT_BYTES: usize = 16 << 30;
/// Connections to the database.
const CONNECTIONS: u32 = 20;

/// What to measure.
#[derive(Debug, clap::Args)]
pub struct ExploreBench {
    #[command(flatten)]
    inference: InferenceOptions,
    #[command(flatten)]
    data: DataOptions,
    /// Media of the dataset. It is made once below the data directory, which takes minutes for 200,000 and an hour for 1,000,000
    #[arg(long, default_value_t = 200_000)]
    media: usize,
    /// Requests per kind of query
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Requests under way at once
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
    /// Only kinds whose name begins so
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Make the dataset and end
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    make: bool,
    /// Print JSON
    #[arg(long, default_value_t = false, action = clap::ArgAction::SetTrue)]
    json: bool,
}

/// What one run gave.
#[derive(Serialize)]
struct Report {
    media: usize,
    concurrency: usize,
    /// First page after the start: everything that is read from Postgres and the file.
    load_wall_s: f64,
    /// Then, what pages show of all pictures, which goes on in the background: until it is there, pages come from Postgres.
    shown_wall_s: f64,
    /// Of the snapshot, by its own count, after all queries, without vectors; what pages show lies in mapped files.
    snapshot_bytes_per_media: f64,
    /// Links and coarse rows; vectors lie in a mapped file.
    index_bytes_per_media: f64,
    /// The vectors of captions, which are read from Postgres by the first search for a text.
    captions_load_wall_s: f64,
    captions_bytes_per_media: f64,
    /// Of the process.
    resident_mb: f64,
    resident_file_mb: f64,
    generation_mb: f64,
    /// Wall and CPU seconds of building the index; absent where it was built before this was noted.
    build_s: Option<(f64, f64)>,
    index: GraphCosts,
    pages: Vec<Measured>,
}

/// Makes the dataset if it is not there, measures and prints.
///
/// # Errors
/// Something it needs is missing.
pub async fn run(bench: Box<ExploreBench>) -> anyhow::Result<()> {
    let dir = bench
        .data
        .data_dir
        .join(format!("bench-explore-{}", bench.media));
    let data = DataOptions {
        data_dir: dir.clone(),
    };
    let database = DatabaseOptions {
        database_url: None,
        database_password_file: None,
        pg_bin: None,
        database_connections: CONNECTIONS,
    };
    let home = Home::open(&data, &database, Stay::Owner).await?;
    let outcome = with_home(&bench, dir, &home).await;
    home.close().await;
    outcome
}

async fn with_home(bench: &ExploreBench, dir: PathBuf, home: &Home) -> anyhow::Result<()> {
    let encoders = engine::start_encoders(&bench.inference, home).await?;
    let wanted = Wanted {
        media: bench.media,
        dimension: DIMENSION,
        are_captions_searched: true,
    };
    let place = Place::ready(dir, home, &encoders, wanted).await?;
    if bench.make {
        return Ok(());
    }
    let options = ExplorerOptions {
        snapshot_bytes: SNAPSHOT_BYTES,
        exact_limit: IndexOptions::default().exact_limit,
        threshold_sense: ThresholdSense::Distance,
    };
    let (pool, blobs) = (home.pool.clone(), home.blobs.clone());
    let explorer = Explorer::new(pool, blobs, encoders.clone(), options);
    let workshop = engine::workshop(
        home,
        &encoders,
        &WorkerOptions::default(),
        &IndexOptions::default(),
    )?;
    let models = ServerModels::new(workshop);
    let (served, stop) = serve(home, &place.owner, explorer.clone(), models, []).await?;
    let (path, expected) = place.index_file(home).await?;
    let index = tokio::task::spawn_blocking(move || graph::measure(&path, &expected)).await??;
    if !bench.json {
        index.show();
    }
    let measured = measure(bench, &place, &explorer, served, index).await;
    stop.cancel();
    explorer.stop().await;
    encoders.models().shutdown().await;
    let report = measured?;
    if bench.json {
        output::json(&report)?;
    } else {
        report.show();
    }
    Ok(())
}

async fn measure(
    bench: &ExploreBench,
    place: &Place,
    explorer: &Explorer,
    address: SocketAddr,
    index: GraphCosts,
) -> anyhow::Result<Report> {
    let pool = &place.pool;
    let principal = place.owner.implicit_principal();
    let access = datasets::access(pool, Some(&principal), place.notes.dataset).await?;
    let access = access.context("the generated dataset is gone")?;
    let ids = lamina_store::media::all_ids(pool, place.notes.dataset).await?;
    let pages = Pages {
        address,
        dataset: place.notes.dataset,
        requests: bench.requests,
        concurrency: bench.concurrency.max(1),
    };
    let mut client = Client::connect(address).await?;
    let begun = Instant::now();
    client.get(&pages.target(&Query::default())).await?;
    let load_wall_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    explorer.read_ahead(&access).await?;
    let shown_wall_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    let first = Query::meaning("a dog on the beach".to_owned(), 0.01);
    client.get(&pages.target(&first)).await?;
    let captions_load_wall_s = begun.elapsed().as_secs_f64();
    let bounds = bounds(explorer, &access, &ids).await?;
    let mut all = Vec::new();
    for kind in kinds(place, &ids, &bounds) {
        if bench
            .only
            .as_ref()
            .is_some_and(|only| !kind.name.starts_with(only.as_str()))
        {
            continue;
        }
        let measured = pages.measure(&kind, explorer, &access, ids.len()).await?;
        if !bench.json {
            measured.show();
        }
        all.push(measured);
    }
    let snapshot = explorer.snapshot(&access, EntityType::Images).await?;
    let [captions_bytes, index_bytes] = snapshot.map_or([0; 2], |snapshot| {
        [snapshot.bytes_of_other_spaces(), snapshot.bytes_of_index()]
    });
    let beside = explorer
        .bytes_in_memory()
        .saturating_sub(captions_bytes + index_bytes);
    let each = |bytes: usize| bytes as f64 / ids.len().max(1) as f64;
    let [resident_mb, resident_file_mb] = [memory::resident_mb()?, memory::resident_file_mb()?];
    Ok(Report {
        media: ids.len(),
        concurrency: pages.concurrency,
        load_wall_s,
        shown_wall_s,
        snapshot_bytes_per_media: each(beside),
        index_bytes_per_media: each(index_bytes),
        captions_load_wall_s,
        captions_bytes_per_media: each(captions_bytes),
        resident_mb,
        resident_file_mb,
        generation_mb: place.notes.generation_bytes as f64 / 1e6,
        build_s: place.notes.build_s,
        index,
        pages: all,
    })
}

/// Distances that match given shares of the dataset in the mean.
async fn bounds(
    explorer: &Explorer,
    access: &DatasetAccess,
    ids: &[lamina_types::MediaId],
) -> anyhow::Result<Bounds> {
    let mut texts = [0.0; 3];
    for (bound, share) in texts.iter_mut().zip([0.01, 0.1, 0.5]) {
        let query = |number, distance| Query::meaning(texts::question(number), distance);
        *bound = measure::distance_of_share(explorer, access, ids.len(), share, query).await?;
    }
    let near = |number: usize, distance| Query::near(ids[number * 997 % ids.len()], distance);
    Ok(Bounds {
        anchor_half: measure::distance_of_share(explorer, access, ids.len(), 0.5, near).await?,
        texts,
    })
}

impl Report {
    fn show(&self) {
        output::line(format_args!(
            "{} media, concurrency {}: first page after {:.2} s, what pages show at hand {:.2} s later, {:.0} bytes a media \
             and {:.0} of the index without vectors; caption vectors after {:.2} s, \
             {:.0} bytes a media; resident {:.0} MB, of which {:.0} MB of files (generation {:.0} MB)",
            self.media,
            self.concurrency,
            self.load_wall_s,
            self.shown_wall_s,
            self.snapshot_bytes_per_media,
            self.index_bytes_per_media,
            self.captions_load_wall_s,
            self.captions_bytes_per_media,
            self.resident_mb,
            self.resident_file_mb,
            self.generation_mb
        ));
        if let Some((wall, cpu)) = self.build_s {
            output::line(format_args!("index built in {wall:.0} s, {cpu:.0} CPU s"));
        }
    }
}
