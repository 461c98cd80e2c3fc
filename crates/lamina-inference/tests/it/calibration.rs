//! The calibration that is fitted to the starter encoder: on the demo pictures and their names, and on photos with human captions.

use lamina_inference::{Calibration, DualEncoder, EncoderConfig, Lane, ModelPackage};
use lamina_media::{DecodeLimits, Picture, decode, demo, model_input};
use lamina_types::Embedding;
use serde::Deserialize;

use crate::shared::{photo, shared};
use crate::support::{runtime, workspace};

struct Distances {
    matching: Vec<f32>,
    others: Vec<f32>,
}

fn starter() -> DualEncoder {
    let package = ModelPackage::open(&workspace().join("models/lamina-starter-encoder")).unwrap();
    DualEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap()
}

/// Raw distances of every text to every picture; `is_true` says which pairs belong together.
async fn distances(
    encoder: &DualEncoder,
    pictures: Vec<Picture>,
    texts: Vec<String>,
    is_true: impl Fn(usize, usize) -> Option<bool>,
) -> Distances {
    let tensors = pictures
        .iter()
        .map(|picture| model_input(picture, encoder.input_spec()).unwrap())
        .collect();
    let pictures = encoder.embed_images(Lane::Bulk, tensors).await.unwrap();
    let pictures: Vec<Embedding> = pictures.into_iter().map(Result::unwrap).collect();
    let texts = encoder.embed_texts(Lane::Bulk, texts).await.unwrap();
    let mut found = Distances {
        matching: Vec::new(),
        others: Vec::new(),
    };
    for (text, vector) in texts.iter().enumerate() {
        for (picture, seen) in pictures.iter().enumerate() {
            match is_true(text, picture) {
                Some(true) => found.matching.push(vector.cosine_distance(seen)),
                Some(false) => found.others.push(vector.cosine_distance(seen)),
                None => {}
            }
        }
    }
    found
}

fn share(distances: &[f32], map: &Calibration, limit: f32) -> f32 {
    let within = distances.iter().filter(|raw| map.apply(**raw) <= limit);
    within.count() as f32 / distances.len() as f32
}

/// What every fit must come to, whatever the model.
fn assert_useful(found: &Distances, what: &str) {
    let map = Calibration::fit(&found.matching, &found.others).unwrap();
    let (kept, let_in) = (
        share(&found.matching, &map, 0.6),
        share(&found.others, &map, 0.6),
    );
    let (raw, shown) = map.knots();
    eprintln!(
        "{what}: raw {raw:?} shown {shown:?}; within 0.6: {kept:.3} of matches, {let_in:.3} of others"
    );
    assert!(kept >= 0.74, "{what}: {kept}");
    assert!(let_in < kept / 3.0, "{what}: {let_in}");
    let mut ranked: Vec<f32> = found
        .matching
        .iter()
        .chain(&found.others)
        .copied()
        .collect();
    ranked.sort_by(f32::total_cmp);
    ranked.dedup();
    let shown: Vec<f32> = ranked.iter().map(|raw| map.apply(*raw)).collect();
    assert!(shown.is_sorted(), "{what}: the ranking changed");
    // What a client asks for comes back as the raw limit of the search.
    for shown in [0.3, 0.6] {
        assert!((map.apply(map.undo(shown)) - shown).abs() < 1e-5);
    }
}

/// Words of a demo picture's name: `007-red-boat-on-the-water.jpg` is "red boat on the water".
fn words(file_name: &str) -> String {
    let stem = file_name
        .rsplit_once('.')
        .map_or(file_name, |(stem, _)| stem);
    let words: Vec<&str> = stem.split('-').skip(1).collect();
    words.join(" ")
}

#[tokio::test]
async fn the_starter_encoder_is_calibrated_on_the_demo_pictures() {
    let demo: Vec<_> = demo::pictures()
        .into_iter()
        .filter(|picture| picture.flaw.is_none())
        .step_by(2)
        .collect();
    let pictures = demo
        .iter()
        .map(|picture| decode(&picture.bytes().unwrap(), &DecodeLimits::default()).unwrap())
        .collect();
    let texts: Vec<String> = demo
        .iter()
        .map(|picture| words(&picture.file_name))
        .collect();
    eprintln!("{} pictures, for example {:?}", demo.len(), texts[0]);
    // Pictures of the same thing are neither: the words may be true of both.
    let is_true = |text: usize, picture: usize| match text == picture {
        true => Some(true),
        false => (demo[text].label != demo[picture].label).then_some(false),
    };
    let found = distances(&starter(), pictures, texts.clone(), is_true).await;
    assert_useful(&found, "demo pictures");
}

#[derive(Deserialize)]
struct Captions {
    images: Vec<CaptionedImage>,
    annotations: Vec<Caption>,
}

#[derive(Deserialize)]
struct CaptionedImage {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Caption {
    image_id: u64,
    caption: String,
}

/// Photos that the encoder never saw, with captions by people: it separates them worse, and the fit must still hold.
#[tokio::test]
async fn the_starter_encoder_is_calibrated_on_photos() {
    let Some(folder) = shared("photos/coco-cc") else {
        return;
    };
    let text = fs_err::read_to_string(folder.join("captions.json")).unwrap();
    let captions: Captions = serde_json::from_str(&text).unwrap();
    let pictures = captions
        .images
        .iter()
        .map(|image| photo(&folder.join("images").join(&image.file_name)))
        .collect();
    let place = |caption: &Caption| {
        let mut images = captions.images.iter();
        images.position(|image| image.id == caption.image_id)
    };
    let (texts, of): (Vec<String>, Vec<usize>) = captions
        .annotations
        .iter()
        .filter_map(|caption| Some((caption.caption.clone(), place(caption)?)))
        .unzip();
    let is_true = |text: usize, picture: usize| Some(of[text] == picture);
    let found = distances(&starter(), pictures, texts, is_true).await;
    let map = Calibration::fit(&found.matching, &found.others).unwrap();
    let (kept, let_in) = (
        share(&found.matching, &map, 0.6),
        share(&found.others, &map, 0.6),
    );
    eprintln!(
        "photos: {:?}; within 0.6: {kept:.3} of matches, {let_in:.3} of others",
        map.knots()
    );
    // It was made for its own classes: of captions by people it tells too few apart to keep the others out.
    assert!(kept >= 0.74 && let_in < 0.45, "{kept} {let_in}");
}
