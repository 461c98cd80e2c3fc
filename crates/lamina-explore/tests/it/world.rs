//! A dataset of 500 generated media with labels, tags, issues, captions and vectors, in a real database.

use std::collections::BTreeSet;
use std::path::Path;

use lamina_explore::{
    Encoders, Explorer, ExplorerOptions, ThresholdSense, generations as building, index_settings,
};
use lamina_index::{Generation, StopFlag, encode_vector};
use lamina_inference::{
    DeviceChoice, DualEncoder, EncoderConfig, Lane, Models, ModelsOptions, Runtime, RuntimeSearch,
    find_runtime,
};
use lamina_store::annotations::{self, AnnotationSource, Label};
use lamina_store::bindings::Bindings;
use lamina_store::captions::{self, NewCaption};
use lamina_store::contents::{self, NewContent};
use lamina_store::datasets::{self, DatasetAccess, NewDataset};
use lamina_store::measures::{self, ContentMeasures};
use lamina_store::source_items::{self, NewSourceItem};
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::PgPool;
use lamina_store::users::{self, User};
use lamina_store::{BlobOptions, BlobStore, Role, anchors, generations, media, outputs};
use lamina_types::{
    AnchorId, ContentHash, DatasetId, DatasetStatus, Embedding, EntityType, MediaId, ServeMode,
    SourceType, Space, TagId, UserId,
};

use crate::random::Random;
use crate::words::WORDS;

pub const MEDIA: usize = 500;
pub const LABELS: [&str; 6] = ["car", "Car", "cat", "dog", "it's \"one\"", "no such thing"];
pub const TEXTS: [&str; 4] = [
    "a red boat",
    "a house by the sea",
    "a dog in the snow",
    "circle",
];

/// What is known of one picture.
#[derive(Debug, Default)]
pub struct Item {
    pub labels: BTreeSet<&'static str>,
    pub tags: BTreeSet<TagId>,
    pub caption: Option<Vec<&'static str>>,
    pub blur: f32,
    pub dark: f32,
    pub bright: f32,
}

pub struct World {
    pub pool: PgPool,
    pub explorer: Explorer,
    pub encoder: DualEncoder,
    pub access: DatasetAccess,
    pub generation: Generation,
    pub items: Vec<Item>,
    pub ids: Vec<MediaId>,
    /// The last one is on no picture.
    pub tags: Vec<TagId>,
    /// Uploaded pictures, each near one item.
    pub uploads: Vec<(AnchorId, Embedding)>,
    _folder: tempfile::TempDir,
}

pub async fn starter() -> (Models, DualEncoder) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let search = RuntimeSearch {
        explicit: std::env::var_os("ORT_DYLIB_PATH").map(Into::into),
        workspace: Some(workspace.clone()),
        ..RuntimeSearch::default()
    };
    let library = find_runtime(&search).unwrap_or_else(|missing| panic!("{missing}"));
    let runtime = Runtime::load(&library, DeviceChoice::Cpu).unwrap();
    let options = ModelsOptions {
        dirs: vec![workspace.join("models")],
        encoder: EncoderConfig::default(),
        idle_unload: std::time::Duration::ZERO,
    };
    let models = Models::new(runtime, options);
    let encoder = models.dual_encoder("lamina-starter-encoder@1").await;
    (models, encoder.unwrap())
}

fn item(random: &mut Random, tags: &[TagId]) -> Item {
    let mut item = Item::default();
    for (label, rarity) in LABELS.iter().zip([2, 4, 3, 8, 50]) {
        if random.one_in(rarity) {
            item.labels.insert(*label);
        }
    }
    for (tag, rarity) in tags.iter().zip([3, 10, 40]) {
        if random.one_in(rarity) {
            item.tags.insert(*tag);
        }
    }
    if !random.one_in(6) {
        let count = 1 + random.below(6);
        item.caption = Some((0..count).map(|_| random.pick(&WORDS)).collect());
    }
    (item.blur, item.dark, item.bright) = (random.share(), random.share(), random.share() / 3.0);
    item
}

/// Vectors in clusters of some spread, with copies and near-copies, at all distances from the texts.
async fn vectors(random: &mut Random, encoder: &DualEncoder) -> Vec<Embedding> {
    let texts = TEXTS.map(str::to_owned).to_vec();
    let texts = encoder.embed_texts(Lane::Interactive, texts).await.unwrap();
    let dimension = texts[0].dimension();
    let mut centres: Vec<Vec<f32>> = Vec::new();
    for _ in 0..150 {
        let (text, weight) = (random.pick(&texts), random.share() * 1.5);
        let own = 1.0 / (dimension as f32).sqrt();
        let values = text.as_slice().iter();
        centres.push(values.map(|v| v * weight + random.gauss() * own).collect());
    }
    let mut made: Vec<Embedding> = Vec::new();
    for _ in 0..MEDIA {
        if !made.is_empty() && random.one_in(12) {
            made.push(random.pick(&made));
            continue;
        }
        let spread = random.pick(&[0.004, 0.01, 0.02, 0.03]);
        let centre = random.pick(&centres);
        let values = centre.iter().map(|v| v + random.gauss() * spread).collect();
        made.push(Embedding::new(values).unwrap());
    }
    made
}

fn hash_of(number: usize) -> ContentHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ContentHash::from_bytes(bytes)
}

async fn new_dataset(pool: &PgPool, owner: &User) -> DatasetId {
    let new = NewDataset {
        id: DatasetId::new(),
        owner_id: owner.id,
        display_name: "Generated".to_owned(),
        description: String::new(),
        source_type: SourceType::Folder,
        source_uri: String::new(),
        filename: None,
        serve_mode: ServeMode::Copy,
        status: DatasetStatus::Indexing,
        source_dataset_id: None,
    };
    datasets::insert(pool, &new).await.unwrap().id
}

impl World {
    pub async fn new(pool: PgPool, seed: u64) -> Self {
        let random = &mut Random(seed);
        let (models, encoder) = starter().await;
        let owner = users::create(&pool, UserId::new(), "ada", None, Role::Editor);
        let owner = owner.await.unwrap();
        let id = new_dataset(&pool, &owner).await;
        let tags: Vec<TagId> = (0..4).map(|_| TagId::new()).collect();
        let items: Vec<Item> = (0..MEDIA).map(|_| item(random, &tags)).collect();
        let vectors = vectors(random, &encoder).await;
        let ids = insert_media(&pool, &owner, id, &items, &vectors, &encoder).await;
        annotate(&pool, &owner, id, &items, &ids, &tags).await;

        let folder = tempfile::tempdir().unwrap();
        let no_margin = BlobOptions {
            margin_bytes: 0,
            margin_share: 0.0,
        };
        let blobs = BlobStore::open(folder.path().join("blobs"), no_margin).unwrap();
        let generation = publish(&pool, &blobs, id, &encoder).await;
        let mut uploads = Vec::new();
        for near in [3_usize, 77, 401] {
            let values = vectors[near].as_slice().iter();
            let values = values.map(|v| v + random.gauss() * 0.01).collect();
            let vector = Embedding::new(values).unwrap();
            let anchor = anchors::Anchor {
                id: AnchorId::new(),
                dataset_id: id,
                entity_type: EntityType::Images,
                key: encoder.key().clone(),
                vector: encode_vector(&vector),
            };
            let life = std::time::Duration::from_secs(3_600);
            anchors::insert(&pool, &anchor, life).await.unwrap();
            let stored = lamina_index::decode_vector(&anchor.vector).unwrap();
            uploads.push((anchor.id, stored));
        }
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
            encoder,
            access,
            generation,
            items,
            ids,
            tags,
            uploads,
            _folder: folder,
        }
    }
}

async fn insert_media(
    pool: &PgPool,
    owner: &User,
    dataset: DatasetId,
    items: &[Item],
    vectors: &[Embedding],
    encoder: &DualEncoder,
) -> Vec<MediaId> {
    let sources: Vec<NewSourceItem> = (0..items.len())
        .map(|number| NewSourceItem {
            source_key: format!("{number}.jpg"),
            file_name: format!("{number}.jpg"),
            original_uri: format!("{number}.jpg"),
            source_path: None,
        })
        .collect();
    source_items::insert(pool, dataset, 0, 0, &sources)
        .await
        .unwrap();
    let rows: Vec<NewContent> = (0..items.len())
        .map(|number| NewContent {
            hash: hash_of(number),
            byte_size: 1_000,
            format: "jpeg".to_owned(),
            width: 640,
            height: 480,
            has_original: true,
        })
        .collect();
    let mut tx = pool.begin().await.unwrap();
    let contents = contents::upsert(&mut tx, owner.id, &rows).await.unwrap();
    let measured: Vec<(i64, ContentMeasures)> = contents
        .iter()
        .zip(items)
        .map(|(content, item)| {
            let measures = ContentMeasures {
                version: 1,
                sharpness: 1.0,
                luma_low: 0.1,
                luma_high: 0.9,
                blur_confidence: item.blur,
                dark_confidence: item.dark,
                bright_confidence: item.bright,
                is_truncated: false,
            };
            (*content, measures)
        })
        .collect();
    measures::put(&mut *tx, &measured).await.unwrap();
    let encoded: Vec<(i64, Vec<u8>)> = contents
        .iter()
        .zip(vectors)
        .map(|(content, vector)| (*content, encode_vector(vector)))
        .collect();
    let dimension = vectors[0].dimension();
    outputs::put_vectors(&mut *tx, encoder.key(), dimension, &encoded)
        .await
        .unwrap();
    let done: Vec<(u32, i64)> = (0..).zip(contents.iter().copied()).collect();
    source_items::mark_done(&mut *tx, dataset, 0, &done)
        .await
        .unwrap();
    source_items::finalize(&mut tx, dataset, 0).await.unwrap();
    let space = DatasetSpace {
        entity_type: EntityType::Images,
        space: Space::Index,
        key: encoder.key().clone(),
        dimension: dimension as u32,
    };
    spaces::put(&mut tx, dataset, &space).await.unwrap();
    tx.commit().await.unwrap();
    media::all_ids(pool, dataset).await.unwrap()
}

async fn annotate(
    pool: &PgPool,
    owner: &User,
    dataset: DatasetId,
    items: &[Item],
    ids: &[MediaId],
    tags: &[TagId],
) {
    let (mut labels, mut texts) = (Vec::new(), Vec::new());
    for (item, id) in items.iter().zip(ids) {
        labels.extend(item.labels.iter().map(|name| Label {
            media_id: *id,
            name: (*name).to_owned(),
            source: AnnotationSource::User,
            confidence: None,
        }));
        texts.extend(item.caption.iter().map(|words| NewCaption {
            entity_id: id.as_uuid(),
            source: AnnotationSource::VisualLayer,
            caption: words.join(" "),
        }));
    }
    annotations::put_labels(pool, dataset, &labels)
        .await
        .unwrap();
    captions::put(pool, dataset, EntityType::Images, &texts)
        .await
        .unwrap();
    for (number, tag) in tags.iter().enumerate() {
        annotations::create_tag(pool, dataset, *tag, &format!("tag {number}"), owner.id)
            .await
            .unwrap();
        let having = items.iter().zip(ids);
        let having: Vec<MediaId> = having
            .filter(|(item, _)| item.tags.contains(tag))
            .map(|(_, id)| *id)
            .collect();
        annotations::assign_tag(pool, dataset, *tag, &having)
            .await
            .unwrap();
    }
}

async fn publish(
    pool: &PgPool,
    blobs: &BlobStore,
    dataset: DatasetId,
    encoder: &DualEncoder,
) -> Generation {
    let (entity_type, space) = (EntityType::Images, Space::Index);
    let found = spaces::find(pool, dataset, entity_type, space).await;
    let found = found.unwrap().unwrap();
    let settings = index_settings(encoder.bands(), 50_000);
    let generation = building::build(pool, dataset, &found, 1, settings, StopFlag::new())
        .await
        .unwrap();
    let bytes = generation.encode();
    let row = generations::Generation {
        dataset_id: dataset,
        entity_type,
        space,
        number: 1,
        origin_dataset_id: dataset,
        blob_key: BlobStore::generation_key(dataset, entity_type, space, 1),
        checksum: Generation::checksum_of(&bytes),
        count: MEDIA as u32,
        created_at: chrono::DateTime::UNIX_EPOCH,
    };
    blobs
        .put_generation(&row.blob_key, bytes.into())
        .await
        .unwrap();
    let mut tx = pool.begin().await.unwrap();
    generations::publish(&mut *tx, &row).await.unwrap();
    datasets::set_status(&mut tx, dataset, DatasetStatus::Ready)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    generation
}
