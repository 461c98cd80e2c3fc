//! A dataset of 500 generated media with labels, tags, issues, captions and vectors, in a real database.

use std::collections::BTreeSet;
use std::path::Path;

use lamina_explore::{Encoders, Explorer, ExplorerOptions, ThresholdSense};
use lamina_index::{Generation, LabelIssues, encode_vector};
use lamina_inference::{
    DeviceChoice, DualEncoder, EncoderConfig, Lane, Models, ModelsOptions, Runtime, RuntimeSearch,
    find_runtime,
};
use lamina_store::bindings::Bindings;
use lamina_store::datasets::{self, DatasetAccess, NewDataset};
use lamina_store::sqlx::PgPool;
use lamina_store::users::{self, User};
use lamina_store::{BlobOptions, BlobStore, Role, anchors};
use lamina_types::{
    AnchorId, BoundingBox, DatasetId, DatasetStatus, Embedding, EntityType, ServeMode, SourceType,
    TagId, UserId,
};
use uuid::Uuid;

use crate::making::Making;
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
pub const SIDES: [u32; 5] = [64, 480, 640, 1_920, 4_000];

/// What is known of one picture or object.
#[derive(Debug, Default, Clone)]
pub struct Item {
    pub labels: BTreeSet<&'static str>,
    pub tags: BTreeSet<TagId>,
    pub caption: Option<Vec<&'static str>>,
    pub blur: f32,
    pub dark: f32,
    pub bright: f32,
    /// Ordinal of the picture that it is, or is on.
    pub picture: usize,
    /// Of the picture's file.
    pub file_name: String,
    pub size: (u32, u32),
    /// Days since 2026-01-01.
    pub day: usize,
}

/// The pictures, or the objects.
pub struct Side {
    pub items: Vec<Item>,
    pub ids: Vec<Uuid>,
    pub generation: Generation,
    /// Of the captions, as stored.
    pub said: Vec<Option<Embedding>>,
    /// How wrong the labels look, of items with exactly one.
    pub doubts: LabelIssues,
}

/// What the labels of items look like from their vectors.
fn doubts(items: &[Item], generation: &Generation) -> LabelIssues {
    let only = |item: &Item| {
        let label = item.labels.first().filter(|_| item.labels.len() == 1)?;
        let place = LABELS.iter().position(|known| known == label)?;
        Some(place as u32)
    };
    let labels: Vec<Option<u32>> = items.iter().map(only).collect();
    lamina_index::label_issues(generation, &labels).unwrap()
}

pub struct World {
    pub pool: PgPool,
    pub explorer: Explorer,
    pub encoder: DualEncoder,
    pub access: DatasetAccess,
    pub owner: User,
    pub pictures: Side,
    pub objects: Side,
    /// The last one is on no picture.
    pub tags: Vec<TagId>,
    /// Uploaded pictures, each near one item.
    pub uploads: Vec<(AnchorId, Embedding)>,
    pub blobs: BlobStore,
    _folder: tempfile::TempDir,
}

impl World {
    pub const fn side(&self, entity: EntityType) -> &Side {
        match entity {
            EntityType::Images => &self.pictures,
            EntityType::Objects => &self.objects,
        }
    }
}

/// Where the library of the models is.
pub fn library() -> std::path::PathBuf {
    let search = RuntimeSearch {
        explicit: std::env::var_os("ORT_DYLIB_PATH").map(Into::into),
        workspace: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")),
        ..RuntimeSearch::default()
    };
    find_runtime(&search).unwrap_or_else(|missing| panic!("{missing}"))
}

pub async fn starter() -> (Models, DualEncoder) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let runtime = Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
    let options = ModelsOptions {
        dirs: vec![workspace.join("models")],
        encoder: EncoderConfig::default(),
        idle_unload: std::time::Duration::ZERO,
    };
    let models = Models::new(runtime, options);
    let encoder = models.dual_encoder("lamina-starter-encoder@1").await;
    (models, encoder.unwrap())
}

fn labels(random: &mut Random) -> BTreeSet<&'static str> {
    let mut labels = BTreeSet::new();
    for (label, rarity) in LABELS.iter().zip([2, 4, 3, 8, 50]) {
        if random.one_in(rarity) {
            labels.insert(*label);
        }
    }
    labels
}

fn measured(random: &mut Random, item: &mut Item) {
    if !random.one_in(6) {
        let count = 1 + random.below(6);
        item.caption = Some((0..count).map(|_| random.pick(&WORDS)).collect());
    }
    (item.blur, item.dark, item.bright) = (random.share(), random.share(), random.share() / 3.0);
}

fn picture(random: &mut Random, number: usize, tags: &[TagId]) -> Item {
    let mut item = Item {
        labels: labels(random),
        picture: number,
        size: (random.pick(&SIDES), random.pick(&SIDES)),
        day: random.below(60),
        ..Item::default()
    };
    item.file_name = match random.below(3) {
        0 => format!("{number}.jpg"),
        1 => format!("IMG_{number}.JPG"),
        _ => format!("Größe {number}.png"),
    };
    for (tag, rarity) in tags.iter().zip([3, 10, 40]) {
        if random.one_in(rarity) {
            item.tags.insert(*tag);
        }
    }
    measured(random, &mut item);
    item
}

/// The `number`th object on a picture, and where it is: no two boxes of a picture are the same.
fn object(random: &mut Random, picture: &Item, number: usize) -> (Item, BoundingBox) {
    let start = random.below(40) as f64 / 100.0 + number as f64 / 1_000.0;
    let length = (1 + random.below(59)) as f64 / 100.0;
    let area = BoundingBox::from_fractions(start, start / 2.0, length, length).unwrap();
    let [_, _, width, height] = area.to_pixels(picture.size.0, picture.size.1);
    let mut item = Item {
        labels: [random.pick(&LABELS[..5])].into(),
        tags: picture.tags.clone(),
        picture: picture.picture,
        file_name: picture.file_name.clone(),
        size: (width, height),
        day: picture.day,
        ..Item::default()
    };
    measured(random, &mut item);
    (item, area)
}

/// Vectors in clusters of some spread, with copies and near-copies, at all distances from the texts.
async fn vectors(random: &mut Random, encoder: &DualEncoder, count: usize) -> Vec<Embedding> {
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
    for _ in 0..count {
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

pub async fn new_dataset(pool: &PgPool, owner: &User) -> DatasetId {
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
        let pictures: Vec<Item> = (0..MEDIA)
            .map(|number| picture(random, number, &tags))
            .collect();
        let mut boxes = Vec::new();
        for picture in &pictures {
            for number in 0..random.below(4) {
                boxes.push(object(random, picture, number));
            }
        }
        let objects: Vec<Item> = boxes.iter().map(|(item, _)| item.clone()).collect();
        let seen = vectors(random, &encoder, MEDIA).await;
        let cut = vectors(random, &encoder, objects.len()).await;
        let making = Making {
            pool: &pool,
            owner: &owner,
            dataset: id,
            encoder: &encoder,
        };
        let contents = making.pictures(&pictures, &seen).await;
        making.objects(&boxes, &contents, &cut).await;
        making.tags(&pictures, &tags).await;
        let said_of_pictures = making.captions(random, EntityType::Images, &pictures).await;
        let said_of_objects = making.captions(random, EntityType::Objects, &objects).await;

        let folder = tempfile::tempdir().unwrap();
        let no_margin = BlobOptions {
            margin_bytes: 0,
            margin_share: 0.0,
        };
        let blobs = BlobStore::open(folder.path().join("blobs"), no_margin).unwrap();
        let generation_of_pictures = making.publish(&blobs, EntityType::Images).await;
        let generation_of_objects = making.publish(&blobs, EntityType::Objects).await;
        making.finish().await;
        let mut uploads = Vec::new();
        for near in [3_usize, 77, 401] {
            let values = seen[near].as_slice().iter();
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
        let pictures = Side {
            ids: making.ids(EntityType::Images).await,
            doubts: doubts(&pictures, &generation_of_pictures),
            items: pictures,
            generation: generation_of_pictures,
            said: said_of_pictures,
        };
        let objects = Side {
            ids: making.ids(EntityType::Objects).await,
            doubts: doubts(&objects, &generation_of_objects),
            items: objects,
            generation: generation_of_objects,
            said: said_of_objects,
        };
        Self {
            explorer: Explorer::new(pool.clone(), blobs.clone(), encoders, options),
            blobs,
            pool,
            encoder,
            access,
            owner,
            pictures,
            objects,
            tags,
            uploads,
            _folder: folder,
        }
    }
}
