//! Texts compared with what an encoding enrichment made, with captions, and with nothing.

use std::path::Path;

use lamina_explore::{
    Abilities, Encoders, ExplorePlan, Explorer, ExplorerOptions, Filter, ThresholdSense, vql,
};
use lamina_index::encode_vector;
use lamina_inference::{
    DeviceChoice, DualEncoder, EncoderConfig, Lane, Models, ModelsOptions, Runtime,
};
use lamina_store::bindings::Bindings;
use lamina_store::datasets::{self, DatasetAccess};
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::{self, PgPool};
use lamina_store::{BlobOptions, BlobStore, Role, outputs, users};
use lamina_types::{Embedding, EntityType, SimilarityThreshold, Space, SpaceKey, UserId};
use uuid::Uuid;

use crate::making::Making;
use crate::random::Random;
use crate::world::{Item, library, new_dataset};

const TEXT: &str = "a red boat";
const PICTURES: usize = 6;

/// A folder with the starter encoder under another name and with other shown distances: a package of its own.
fn other_package() -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/lamina-starter-encoder");
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("other");
    fs_err::create_dir_all(&to).unwrap();
    for file in ["vision_model.onnx", "text_model.onnx", "tokenizer.json"] {
        fs_err::copy(from.join(file), to.join(file)).unwrap();
    }
    let manifest = fs_err::read_to_string(from.join("model.toml")).unwrap();
    let renamed = manifest
        .replace("\"lamina-starter-encoder\"", "\"other\"")
        .replace(
            "shown = [0.2, 0.35, 0.6, 0.9]",
            "shown = [0.1, 0.2, 0.3, 0.9]",
        );
    assert_eq!(renamed.matches("[0.1, 0.2, 0.3, 0.9]").count(), 1);
    fs_err::write(to.join("model.toml"), renamed).unwrap();
    folder
}

/// A unit vector at this cosine distance from another.
fn at(random: &mut Random, from: &Embedding, distance: f32) -> Embedding {
    let from = from.as_slice();
    let raw: Vec<f32> = from.iter().map(|_| random.gauss()).collect();
    let along: f32 = raw.iter().zip(from).map(|(x, y)| x * y).sum();
    let aside = raw.iter().zip(from).map(|(x, y)| x - along * y);
    let aside = Embedding::new(aside.collect()).unwrap();
    let (cosine, sine) = (1.0 - distance, (1.0 - (1.0 - distance).powi(2)).sqrt());
    let mixed = from.iter().zip(aside.as_slice());
    Embedding::new(mixed.map(|(x, y)| cosine * x + sine * y).collect()).unwrap()
}

struct Bench {
    explorer: Explorer,
    pool: PgPool,
    access: DatasetAccess,
    ids: Vec<Uuid>,
    contents: Vec<i64>,
    index: DualEncoder,
    other: DualEncoder,
    text: Embedding,
    random: Random,
    _folders: [tempfile::TempDir; 2],
}

impl Bench {
    /// Pictures whose `INDEX` vectors are at these distances from the text.
    async fn new(pool: PgPool, distances: [f32; PICTURES]) -> Self {
        let package = other_package();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let options = ModelsOptions {
            dirs: vec![workspace.join("models"), package.path().to_owned()],
            encoder: EncoderConfig::default(),
            idle_unload: std::time::Duration::ZERO,
        };
        let runtime = Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
        let models = Models::new(runtime, options);
        let index = models
            .dual_encoder("lamina-starter-encoder@1")
            .await
            .unwrap();
        let other = models.dual_encoder("other@1").await.unwrap();
        let text = index.embed_texts(Lane::Interactive, vec![TEXT.to_owned()]);
        let text = text.await.unwrap().remove(0);
        let owner = users::create(&pool, UserId::new(), "ada", None, Role::Editor);
        let owner = owner.await.unwrap();
        let id = new_dataset(&pool, &owner).await;
        let mut random = Random(5);
        let items: Vec<Item> = (0..PICTURES)
            .map(|number| Item {
                picture: number,
                file_name: format!("{number}.jpg"),
                size: (640, 480),
                ..Item::default()
            })
            .collect();
        let vectors = distances.map(|distance| at(&mut random, &text, distance));
        let making = Making {
            pool: &pool,
            owner: &owner,
            dataset: id,
            encoder: &index,
        };
        let contents = making.pictures(&items, &vectors).await;
        let folder = tempfile::tempdir().unwrap();
        let no_margin = BlobOptions {
            margin_bytes: 0,
            margin_share: 0.0,
        };
        let blobs = BlobStore::open(folder.path().join("blobs"), no_margin).unwrap();
        making.publish(&blobs, EntityType::Images).await;
        making.finish().await;
        let ids = making.ids(EntityType::Images).await;
        let options = ExplorerOptions {
            snapshot_bytes: 100_000_000,
            exact_limit: 50_000,
            threshold_sense: ThresholdSense::Distance,
        };
        let principal = owner.principal();
        let access = datasets::access(&pool, Some(&principal), id);
        let access = access.await.unwrap().unwrap();
        let encoders = Encoders::new(models, Bindings::default());
        Self {
            explorer: Explorer::new(pool.clone(), blobs, encoders, options),
            pool,
            access,
            ids,
            contents,
            index,
            other,
            text,
            random,
            _folders: [package, folder],
        }
    }

    /// What an encoding enrichment with the other package writes.
    async fn encode(&mut self, distances: [f32; PICTURES]) {
        let dimension = self.text.dimension();
        let mut rows = Vec::new();
        for (content, distance) in self.contents.iter().zip(distances) {
            let vector = at(&mut self.random, &self.text, distance);
            rows.push((*content, encode_vector(&vector)));
        }
        let put = outputs::put_vectors(&self.pool, self.other.key(), dimension, &rows);
        put.await.unwrap();
        self.space(Space::MultimodelImage, self.other.key().clone())
            .await;
    }

    async fn space(&mut self, space: Space, key: SpaceKey) {
        let made = DatasetSpace {
            entity_type: EntityType::Images,
            space,
            key,
            dimension: self.text.dimension() as u32,
        };
        let conn = &mut *self.pool.acquire().await.unwrap();
        spaces::put(conn, self.access.id(), &made).await.unwrap();
        datasets::bump_revision(&self.pool, self.access.id())
            .await
            .unwrap();
        let principal = users::by_name(&self.pool, "ada")
            .await
            .unwrap()
            .unwrap()
            .principal();
        let access = datasets::access(&self.pool, Some(&principal), self.access.id());
        self.access = access.await.unwrap().unwrap();
    }

    /// Number and score of the pictures that the text finds, best first.
    async fn found(&self, threshold: f32) -> Vec<(usize, f32)> {
        let document = format!(
            "[{{\"text\":{{\"op\":\"semantic\",\"value\":\"{TEXT}\",\"threshold\":{threshold}}}}}]"
        );
        let filters: Vec<Filter> = vql::parse(&document).unwrap();
        let plan = ExplorePlan {
            filters,
            ..ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, 0)
        };
        let page = self.explorer.explore(&self.access, &plan).await.unwrap();
        let views = page.clusters.iter().flat_map(|cluster| &cluster.previews);
        let place = |id: Uuid| self.ids.iter().position(|known| *known == id).unwrap();
        let mut found: Vec<(usize, f32)> = views
            .map(|view| (place(view.media_id), view.relevance_score.unwrap()))
            .collect();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found
    }

    async fn abilities(&self) -> Abilities {
        self.explorer.abilities(&self.access).await.unwrap()
    }
}

#[track_caller]
fn assert_found(found: &[(usize, f32)], expected: &[(usize, f32)]) {
    let numbers = |list: &[(usize, f32)]| list.iter().map(|(n, _)| *n).collect::<Vec<_>>();
    assert_eq!(numbers(found), numbers(expected), "{found:?}");
    for ((_, score), (_, wanted)) in found.iter().zip(expected) {
        assert!((score - wanted).abs() < 2e-3, "{found:?} {expected:?}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_encoding_stands_in_for_index_and_the_closer_of_it_and_a_caption_wins(pool: PgPool) {
    let far = 0.95;
    let mut bench = Bench::new(pool, [0.4, far, far, far, far, far]).await;
    let shown = |encoder: &DualEncoder, raw: f32| encoder.calibration().unwrap().apply(raw);
    // Nothing but INDEX yet.
    assert_found(&bench.found(0.7).await, &[(0, shown(&bench.index, 0.4))]);

    bench.encode([far, 0.42, 0.5, far, 0.56, far]).await;
    let seen = |raw: f32| shown(&bench.other, raw);
    assert!(
        (seen(0.56) - shown(&bench.index, 0.56)).abs() > 0.2,
        "scales differ"
    );
    let by_sight = [(1, seen(0.42)), (2, seen(0.5)), (4, seen(0.56))];
    assert_found(&bench.found(0.7).await, &by_sight);
    assert_found(&bench.found(seen(0.5) + 0.01).await, &by_sight[..2]);

    // Captions: of 2 farther than what is seen, of 3 alone, of 4 closer.
    let mut said = Vec::new();
    for (number, distance) in [(2, 0.5), (3, 0.3), (4, 0.05)] {
        let vector = at(&mut bench.random, &bench.text, distance);
        said.push((
            bench.ids[number],
            format!("caption {number}"),
            encode_vector(&vector),
        ));
    }
    let key = bench.index.key().clone();
    Making::said(&bench.pool, bench.access.dataset(), &key, &said).await;
    bench.space(Space::CaptionText, key).await;
    let seen = |raw: f32| shown(&bench.other, raw);
    let both = [(4, 0.05), (1, seen(0.42)), (2, seen(0.5)), (3, 0.3)];
    let mut both = both.to_vec();
    both.sort_by(|a, b| a.1.total_cmp(&b.1));
    assert_found(&bench.found(0.7).await, &both);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_space_that_reads_texts_counts_as_an_ability(pool: PgPool) {
    let mut bench = Bench::new(pool, [0.9; PICTURES]).await;
    assert!(bench.abilities().await.meaning, "INDEX reads texts");
    // As if INDEX had been made by a package without texts.
    sqlx::query("update dataset_spaces set package = 'sight-only@1'")
        .execute(&bench.pool)
        .await
        .unwrap();
    assert_eq!(bench.abilities().await, Abilities::default());
    bench.encode([0.9; PICTURES]).await;
    let abilities = bench.abilities().await;
    assert!(abilities.meaning && !abilities.captions && !abilities.labels);
}
