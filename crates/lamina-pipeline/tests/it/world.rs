//! An ingested dataset, and everything that is needed to enrich it.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use lamina_explore::{Encoders, Explorer, ExplorerOptions, ThresholdSense};
use lamina_inference::{
    DeviceChoice, EncoderConfig, Models, ModelsOptions, Runtime, RuntimeSearch, find_runtime,
};
use lamina_jobs::{NewJob, Phase, Runner, RunnerConfig};
use lamina_pipeline::{Workshop, WorkshopOptions, handlers};
use lamina_store::bindings::{Binding, Bindings};
use lamina_store::datasets::{self, Dataset, NewDataset};
use lamina_store::users::{self, User};
use lamina_store::verify::{VerifyOptions, verify};
use lamina_store::{BlobOptions, BlobStore, Role, enrichment};
use lamina_testkit::pictures;
use lamina_types::{
    DatasetId, DatasetStatus, EnrichSpec, EnrichStep, EnrichmentType, INDEX_SLOT, IngestSource,
    IngestSpec, JobKind, ServeMode, SourceType, SpaceKey, UserId,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::played::{Played, Shared};

/// Different pictures; one of them comes twice.
pub const PICTURES: u64 = 12;

const INDEX: &str = "lamina-starter-encoder@1";

pub struct World {
    pub pool: PgPool,
    pub blobs: BlobStore,
    pub played: Arc<Played>,
    pub workshop: Workshop,
    pub photos: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// The library can be loaded once in a process.
fn runtime() -> Arc<Runtime> {
    static RUNTIME: OnceLock<Arc<Runtime>> = OnceLock::new();
    let loaded = RUNTIME.get_or_init(|| {
        let search = RuntimeSearch {
            explicit: std::env::var_os("ORT_DYLIB_PATH").map(Into::into),
            workspace: Some(workspace()),
            ..RuntimeSearch::default()
        };
        let library = find_runtime(&search).unwrap_or_else(|missing| panic!("{missing}"));
        Runtime::load(&library, DeviceChoice::Cpu).unwrap()
    });
    Arc::clone(loaded)
}

fn workspace() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn key(package: &str) -> SpaceKey {
    SpaceKey {
        package: package.to_owned(),
        parameters: String::new(),
    }
}

/// A step whose package is called as its type.
pub fn step(kind: EnrichmentType) -> EnrichStep {
    EnrichStep {
        enrichment_type: kind,
        slot: kind.slot().id.to_owned(),
        key: key(kind.as_str()),
    }
}

impl World {
    pub fn new(pool: PgPool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let photos = folder.path().canonicalize().unwrap().join("photos");
        fs_err::create_dir_all(&photos).unwrap();
        for number in 0..PICTURES {
            let bytes = pictures::picture(number).unwrap();
            fs_err::write(photos.join(format!("{number:03}.jpg")), &bytes).unwrap();
            if number == 0 {
                fs_err::write(photos.join("again.jpg"), &bytes).unwrap();
            }
        }
        let options = BlobOptions {
            margin_bytes: 0,
            margin_share: 0.0,
        };
        let blobs = BlobStore::open(folder.path().join("blobs"), options).unwrap();
        let models = ModelsOptions {
            dirs: vec![workspace().join("models")],
            encoder: EncoderConfig::default(),
            idle_unload: Duration::ZERO,
        };
        let index = Binding {
            slot: INDEX_SLOT.to_owned(),
            package: INDEX.to_owned(),
            parameters: serde_json::Map::new(),
        };
        let encoders = Encoders::new(
            Models::new(runtime(), models),
            Bindings::new(vec![index], Vec::new()),
        );
        let played = Arc::new(Played::default());
        let manifest = encoders.manifest(&key(INDEX)).unwrap();
        *played.index.lock().unwrap() = (INDEX.to_owned(), manifest.dimension.unwrap());
        let options = WorkshopOptions {
            decoders: 2,
            chunk_files: 4,
            exact_limit: 50_000,
        };
        let workshop = Workshop::new(pool.clone(), blobs.clone(), encoders, options)
            .with_models(Arc::new(Shared(Arc::clone(&played))));
        Self {
            pool,
            blobs,
            played,
            workshop,
            photos,
            _folder: folder,
        }
    }

    pub async fn user(&self, name: &str) -> User {
        users::create(&self.pool, UserId::new(), name, None, Role::Editor)
            .await
            .unwrap()
    }

    pub fn explorer(&self) -> Explorer {
        let options = ExplorerOptions {
            snapshot_bytes: 64 << 20,
            exact_limit: 50_000,
            threshold_sense: ThresholdSense::default(),
        };
        let encoders = self.workshop.encoders.clone();
        Explorer::new(self.pool.clone(), self.blobs.clone(), encoders, options)
    }

    pub fn runner(&self) -> Runner {
        let config = RunnerConfig {
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(2),
            ..RunnerConfig::default()
        };
        Runner::new(
            self.pool.clone(),
            handlers(&self.workshop, &self.explorer()),
            config,
        )
    }

    /// Works until nothing is left to do; what waits for its next attempt is made due.
    pub async fn work(&self) {
        let (runner, stop) = (self.runner(), CancellationToken::new());
        for _ in 0..1_000 {
            while runner.run_one(&stop).await.unwrap() {}
            // Also what has become due since: a pause may end between the two.
            let due = sqlx::query(
                "update job_chunks c set run_at = now() from job_states s \
                 where s.job_id = c.job_id and s.state in ('queued', 'running') and c.state = 'ready'",
            );
            if due.execute(&self.pool).await.unwrap().rows_affected() == 0 {
                return;
            }
        }
        panic!("the work does not end");
    }

    /// The pictures as a READY dataset.
    pub async fn dataset(&self, owner: &User, serve_mode: ServeMode) -> DatasetId {
        let path = self.photos.to_str().unwrap().to_owned();
        let new = NewDataset {
            id: DatasetId::new(),
            owner_id: owner.id,
            display_name: "Road scenes".to_owned(),
            description: String::new(),
            source_type: SourceType::Folder,
            source_uri: path.clone(),
            filename: None,
            serve_mode,
            status: DatasetStatus::Indexing,
            source_dataset_id: None,
        };
        let spec = IngestSpec {
            dataset_id: new.id,
            source: IngestSource::Folder { path: path.clone() },
            roots: vec![path],
            serve_mode,
        };
        let mut tx = self.pool.begin().await.unwrap();
        datasets::insert(&mut *tx, &new).await.unwrap();
        let job = NewJob::new(
            JobKind::Ingest.as_str(),
            Some(owner.id.as_uuid()),
            Some(new.id.as_uuid()),
            &spec,
            Phase::single(JobKind::Ingest.first_phase()),
        );
        lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        self.work().await;
        let dataset = self.find(new.id).await;
        assert_eq!(
            dataset.status,
            DatasetStatus::Ready,
            "{:?}",
            dataset.fatal_error_msg
        );
        new.id
    }

    /// A dataset that is about to be filled from a source.
    pub async fn begin(&self, owner: &User, source: IngestSource, roots: Vec<String>) -> DatasetId {
        let new = NewDataset {
            id: DatasetId::new(),
            owner_id: owner.id,
            display_name: "Road scenes".to_owned(),
            description: String::new(),
            source_type: SourceType::Bucket,
            source_uri: String::new(),
            filename: None,
            serve_mode: ServeMode::Copy,
            status: DatasetStatus::Indexing,
            source_dataset_id: None,
        };
        let spec = IngestSpec {
            dataset_id: new.id,
            source,
            roots,
            serve_mode: ServeMode::Copy,
        };
        let mut tx = self.pool.begin().await.unwrap();
        datasets::insert(&mut *tx, &new).await.unwrap();
        let job = NewJob::new(
            JobKind::Ingest.as_str(),
            Some(owner.id.as_uuid()),
            Some(new.id.as_uuid()),
            &spec,
            Phase::single(JobKind::Ingest.first_phase()),
        );
        lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        new.id
    }

    pub async fn find(&self, id: DatasetId) -> Dataset {
        datasets::find(&self.pool, id).await.unwrap().unwrap()
    }

    /// Asks for an enrichment, and does nothing of it.
    pub async fn ask(&self, source: DatasetId, steps: Vec<EnrichStep>) -> DatasetId {
        let mut tx = self.pool.begin().await.unwrap();
        let copy = enrichment::begin(&mut tx, source).await.unwrap();
        let spec = EnrichSpec {
            dataset_id: copy.id,
            source_dataset_id: source,
            steps,
            caption_text: Some(key("sentences@1")),
        };
        let job = NewJob::new(
            JobKind::Enrich.as_str(),
            Some(copy.owner_id.as_uuid()),
            Some(copy.id.as_uuid()),
            &spec,
            Phase::single(JobKind::Enrich.first_phase()),
        );
        lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        copy.id
    }

    /// A copy with these types applied, READY.
    pub async fn enriched(&self, source: DatasetId, types: &[EnrichmentType]) -> DatasetId {
        let copy = self
            .ask(source, types.iter().map(|kind| step(*kind)).collect())
            .await;
        self.work().await;
        let dataset = self.find(copy).await;
        assert_eq!(
            dataset.status,
            DatasetStatus::Ready,
            "{:?}",
            dataset.fatal_error_msg
        );
        assert_eq!(self.find(source).await.status, DatasetStatus::Ready);
        copy
    }

    pub async fn count(&self, sql: &'static str, dataset: DatasetId) -> i64 {
        sqlx::query_scalar(sql)
            .bind(dataset.as_uuid())
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Every invariant that the store can see.
    pub async fn assert_clean(&self) {
        let options = VerifyOptions {
            deep: true,
            checksum_of: lamina_index::Generation::checksum_of,
            ..VerifyOptions::default()
        };
        let report = verify(&self.pool, &self.blobs, &options).await.unwrap();
        let breaches: Vec<String> = report
            .checks
            .into_iter()
            .flat_map(|check| check.breaches)
            .collect();
        assert_eq!(breaches, [""; 0]);
    }
}
