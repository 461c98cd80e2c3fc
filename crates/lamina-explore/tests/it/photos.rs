//! How well photos are found by what people wrote about them: 111 photos with five captions each. Skipped where the material
//! is not at hand.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lamina_explore::{
    Encoders, ExplorePlan, Explorer, ExplorerOptions, Filter, Text, ThresholdSense,
};
use lamina_index::encode_vector;
use lamina_inference::{
    DeviceChoice, DualEncoder, EncoderConfig, Lane, Models, ModelsOptions, Runtime, TextRole,
};
use lamina_media::{DecodeLimits, Picture, content_hash, decode, model_input};
use lamina_store::bindings::Bindings;
use lamina_store::datasets::{self, DatasetAccess};
use lamina_store::sqlx::{self, PgPool};
use lamina_store::users;
use lamina_store::{BlobOptions, BlobStore, Role};
use lamina_types::{Embedding, EntityType, SimilarityThreshold, UserId};
use serde_json::Value;
use uuid::Uuid;

use crate::making::Making;
use crate::world::{Item, library, new_dataset};

const SENTENCES: &str = "all-minilm-l6-v2@1";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of material that is not part of the repository.
fn shared() -> Option<PathBuf> {
    let named = std::env::var_os("LAMINA_SHARED_DIR").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| workspace().join("../shared"));
    folder.join("photos/coco-cc").is_dir().then_some(folder)
}

struct Photo {
    file: PathBuf,
    captions: Vec<String>,
}

/// The photos in the order of their file names.
fn photos(shared: &Path) -> Vec<Photo> {
    let folder = shared.join("photos/coco-cc");
    let text = fs_err::read_to_string(folder.join("captions.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut captions: HashMap<i64, Vec<String>> = HashMap::new();
    for row in document["annotations"].as_array().unwrap() {
        let of = captions
            .entry(row["image_id"].as_i64().unwrap())
            .or_default();
        of.push(row["caption"].as_str().unwrap().trim().to_owned());
    }
    let mut photos: Vec<Photo> = document["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| Photo {
            file: folder
                .join("images")
                .join(row["file_name"].as_str().unwrap()),
            captions: captions.remove(&row["id"].as_i64().unwrap()).unwrap(),
        })
        .collect();
    photos.sort_by(|a, b| a.file.cmp(&b.file));
    photos
}

/// A folder of packages with the dual encoder that was trained on photos like these, described by a manifest of its own.
fn packages(shared: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        shared.join("models/lamina-tiny-clip"),
        folder.path().join("tiny"),
    );
    fs_err::create_dir_all(&to).unwrap();
    let mut files = String::new();
    for (path, role) in [
        ("vision_model.onnx", "vision"),
        ("text_model.onnx", "text"),
        ("tokenizer.json", "tokenizer"),
    ] {
        let bytes = fs_err::read(from.join(path)).unwrap();
        fs_err::write(to.join(path), &bytes).unwrap();
        let (digest, length) = (content_hash(&bytes), bytes.len());
        files += &format!(
            "[[files]]\npath = \"{path}\"\nrole = \"{role}\"\nsha256 = \"{digest}\"\nbytes = {length}\n\n"
        );
    }
    let manifest = format!(
        "name = \"tiny-photos\"\nversion = \"1\"\ntask = \"image-text-embedding\"\nfamily = \"dual-encoder\"\n\
         licence = \"research\"\ndescription = \"For this test.\"\nsource = \"test material\"\ndimension = 256\n\n{files}\
         [image]\nsize = 224\nresize = \"stretch\"\nfilter = \"bilinear\"\nmean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\n\n\
         [text]\nmax_length = 32\npad_id = 1\npad_to_max = false\nattention_mask = true\nprefix = \"\"\n\n\
         [index]\ncluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]\nanchor_distance = 0.3\noutlier_distance = 0.6\n\
         duplicate_similarity = 0.97\n\n[batch]\nmax_batch = 4\n"
    );
    fs_err::write(to.join("model.toml"), manifest).unwrap();
    folder
}

/// The photos as a dataset in a real database.
struct Album {
    explorer: Explorer,
    access: DatasetAccess,
    ids: Vec<Uuid>,
    photos: Vec<Photo>,
    models: Models,
    _folders: [tempfile::TempDir; 2],
}

impl Album {
    async fn new(pool: &PgPool, shared: &Path) -> Self {
        let packages = packages(shared);
        let runtime = Runtime::load(&library(), DeviceChoice::Cpu).unwrap();
        let options = ModelsOptions {
            dirs: vec![
                packages.path().to_owned(),
                workspace().join(".runtime/models"),
            ],
            encoder: EncoderConfig::default(),
            idle_unload: std::time::Duration::ZERO,
        };
        let models = Models::new(runtime, options);
        let encoder = models.dual_encoder("tiny-photos@1").await.unwrap();
        let photos = photos(shared);
        let owner = users::create(pool, UserId::new(), "ada", None, Role::Editor);
        let owner = owner.await.unwrap();
        let id = new_dataset(pool, &owner).await;
        let making = Making {
            pool,
            owner: &owner,
            dataset: id,
            encoder: &encoder,
        };
        let (mut items, mut vectors) = (Vec::new(), Vec::new());
        for (number, photo) in photos.iter().enumerate() {
            let bytes = fs_err::read(&photo.file).unwrap();
            let picture = decode(&bytes, &DecodeLimits::default()).unwrap();
            items.push(Item {
                picture: number,
                file_name: photo
                    .file
                    .file_name()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
                size: (picture.width, picture.height),
                ..Item::default()
            });
            vectors.push(embedded(&encoder, &picture).await);
        }
        making.pictures(&items, &vectors).await;
        let folder = tempfile::tempdir().unwrap();
        let no_margin = BlobOptions {
            margin_bytes: 0,
            margin_share: 0.0,
        };
        let blobs = BlobStore::open(folder.path().join("blobs"), no_margin).unwrap();
        making.publish(&blobs, EntityType::Images).await;
        making.finish().await;
        let options = ExplorerOptions {
            snapshot_bytes: 100_000_000,
            exact_limit: 50_000,
            threshold_sense: ThresholdSense::Distance,
        };
        let ids = making.ids(EntityType::Images).await;
        let principal = owner.principal();
        let access = datasets::access(pool, Some(&principal), id);
        let access = access.await.unwrap().unwrap();
        let encoders = Encoders::new(models.clone(), Bindings::default());
        Self {
            explorer: Explorer::new(pool.clone(), blobs, encoders, options),
            access,
            ids,
            photos,
            models,
            _folders: [packages, folder],
        }
    }

    /// The ids of all that a filter finds, best first.
    async fn found(&self, filter: Filter) -> Vec<Uuid> {
        let mut scored: Vec<(f32, Uuid)> = Vec::new();
        for page in 0.. {
            let mut plan =
                ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, page);
            plan.filters = vec![filter.clone()];
            let page = self.explorer.explore(&self.access, &plan).await.unwrap();
            if page.clusters.is_empty() {
                break;
            }
            for cluster in page.clusters {
                assert_eq!(cluster.previews.len() as u64, cluster.n_images, "all shown");
                let members = cluster.previews.iter();
                scored.extend(members.map(|view| (view.relevance_score.unwrap(), view.media_id)));
            }
        }
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        scored.into_iter().map(|(_, id)| id).collect()
    }

    /// Share of photos that are among the first ten that one of their captions finds.
    async fn recall(&self, search: impl Fn(&Photo) -> Filter) -> f64 {
        let mut hits = 0;
        for (photo, id) in self.photos.iter().zip(&self.ids) {
            let found = self.found(search(photo)).await;
            hits += usize::from(found.iter().take(10).any(|other| other == id));
        }
        hits as f64 / self.photos.len() as f64
    }
}

async fn embedded(encoder: &DualEncoder, picture: &Picture) -> Embedding {
    let input = model_input(picture, encoder.input_spec()).unwrap();
    let answers = encoder.embed_images(Lane::Interactive, vec![input]).await;
    answers.unwrap().remove(0).unwrap()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_caption_finds_its_photo_by_what_is_seen(pool: PgPool) {
    let Some(shared) = shared() else {
        println!("skipped: no shared material");
        return;
    };
    let album = Album::new(&pool, &shared).await;
    let first = |photo: &Photo| Text::caption(photo.captions[0].clone(), Some(2.0)).unwrap();
    let recall = album.recall(|photo| first(photo).into()).await;
    println!(
        "caption to photo, recall@10: {recall:.3} of {}",
        album.photos.len()
    );
    // The reference implementation of the same weights has 0.748 with Pillow's resize; one photo is 0.009.
    assert!((recall - 0.748).abs() <= 0.01 && recall >= 0.70, "{recall}");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn one_caption_finds_the_photo_that_another_describes(pool: PgPool) {
    let has_sentences = workspace()
        .join(".runtime/models/all-minilm-l6-v2")
        .is_dir();
    let (Some(shared), true) = (shared(), has_sentences) else {
        println!("skipped: no shared material, or no sentence encoder");
        return;
    };
    let album = Album::new(&pool, &shared).await;
    let sentences = album.models.text_encoder(SENTENCES).await.unwrap();
    let texts: Vec<String> = album.photos.iter().map(|p| p.captions[0].clone()).collect();
    let vectors = sentences.embed(Lane::Bulk, TextRole::Document, texts.clone());
    let vectors = vectors.await.unwrap();
    let rows: Vec<_> = album
        .ids
        .iter()
        .zip(texts)
        .zip(&vectors)
        .map(|((id, text), vector)| (*id, text, encode_vector(vector)))
        .collect();
    Making::said(&pool, album.access.dataset(), sentences.key(), &rows).await;
    let second = |photo: &Photo| Text::caption(photo.captions[1].clone(), Some(2.0)).unwrap();
    let recall = album.recall(|photo| second(photo).into()).await;
    println!(
        "caption to caption, recall@10: {recall:.3} of {}",
        album.photos.len()
    );
    assert!(recall >= 0.75, "{recall}");
}
