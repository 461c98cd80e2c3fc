//! Tiny captioners of the real architectures against what `generate` of transformers says.

use std::path::{Path, PathBuf};

use lamina_inference::{CaptionOptions, Captioner, Lane, RegionInput};
use lamina_types::BoundingBox;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::support::{picture, start, start_with};
use crate::support::workspace;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Florence {
    located: Vec<Located>,
    regions: Vec<Region>,
}

#[derive(Deserialize)]
struct Located {
    options: Options,
    found: Vec<Vec<FoundBox>>,
}

#[derive(Deserialize)]
struct FoundBox {
    text: String,
    #[serde(rename = "box")]
    sides: [f64; 4],
}

#[derive(Deserialize)]
struct Region {
    /// Steps of 1/1000: left, top, right, bottom.
    region: [u16; 4],
    texts: Vec<String>,
}

impl Region {
    /// A box whose edges lie in the middle of these steps.
    fn bounds(&self) -> BoundingBox {
        let [left, top, right, bottom] = self.region.map(|step| (f64::from(step) + 0.5) / 1000.0);
        BoundingBox::from_fractions(left, top, right - left, bottom - top).unwrap()
    }
}

#[derive(Deserialize)]
struct Case {
    options: Options,
    texts: Vec<String>,
}

/// Options of `generate`, by their names there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    num_beams: usize,
    no_repeat_ngram_size: Option<usize>,
    length_penalty: Option<f32>,
    early_stopping: Option<bool>,
    prompt: Option<String>,
}

impl Options {
    fn request(&self) -> CaptionOptions {
        CaptionOptions {
            prompt: self.prompt.clone(),
            beams: Some(self.num_beams),
        }
    }

    /// The manifest's lines for what a request cannot say.
    fn manifest(&self) -> String {
        let mut lines = String::new();
        if let Some(size) = self.no_repeat_ngram_size {
            lines.push_str(&format!("no_repeat_ngram = {size}\n"));
        }
        if let Some(penalty) = self.length_penalty {
            lines.push_str(&format!("length_penalty = {penalty:?}\n"));
        }
        if let Some(stopping) = self.early_stopping {
            lines.push_str(&format!("early_stopping = {stopping}\n"));
        }
        lines
    }
}

fn folder(name: &str) -> PathBuf {
    workspace().join("tests/golden").join(name)
}

fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = fs_err::read_to_string(folder(name).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

async fn texts(captioner: &Captioner, pictures: usize, case: &Case) -> Vec<String> {
    let size = captioner.input_spec().size;
    let tensors = (0..pictures).map(|number| picture(number, size)).collect();
    captioner
        .caption(Lane::Bulk, tensors, &case.options.request())
        .await
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

/// Every case, with the package's decoder and with the one that has no caches, in batches and one at a time.
async fn check(folder: &Path) {
    let expected: Expected = read(folder.file_name().unwrap().to_str().unwrap());
    assert!(expected.cases.len() >= 4);
    for case in &expected.cases {
        let lines = case.options.manifest();
        for decoder in ["decoder_model_merged.onnx", "decoder_model.onnx"] {
            for max_batch in [1, 4] {
                let captioner = start_with(folder, decoder, &lines, max_batch).unwrap();
                let found = texts(&captioner, case.texts.len(), case).await;
                let what = format!("{} {decoder} {max_batch} {lines:?}", case.options.num_beams);
                assert_eq!(found, case.texts, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_vit_with_gpt2_writes_what_the_reference_writes() {
    check(&folder("tiny-vit-gpt2")).await;
}

#[tokio::test]
async fn a_vit_with_bart_writes_what_the_reference_writes() {
    check(&folder("tiny-bart-captioner")).await;
}

#[tokio::test]
async fn florence2_writes_what_the_reference_writes() {
    check(&folder("tiny-florence2")).await;
}

#[tokio::test]
async fn florence2_says_where_things_are() {
    let expected: Florence = read("tiny-florence2");
    let mut boxes = 0;
    for case in &expected.located {
        let lines = case.options.manifest();
        let folder = folder("tiny-florence2");
        let captioner = start_with(&folder, "decoder_model_merged.onnx", &lines, 3).unwrap();
        let size = captioner.input_spec().size;
        let tensors = (0..case.found.len()).map(|number| picture(number, size));
        let options = case.options.request();
        let found = captioner
            .locate(Lane::Bulk, tensors.collect(), &options)
            .await;
        for (found, expected) in found.unwrap().iter().zip(&case.found) {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert_eq!(found.text, expected.text);
                let region = &found.region;
                let sides = [
                    region.x,
                    region.y,
                    region.x + region.width,
                    region.y + region.height,
                ];
                for (found, expected) in sides.iter().zip(expected.sides) {
                    assert!((found - expected).abs() < 1e-9);
                }
                boxes += 1;
            }
        }
    }
    assert!(boxes >= 3, "hardly a box to compare");
}

#[tokio::test]
async fn florence2_describes_regions_of_several_pictures_at_once() {
    let expected: Florence = read("tiny-florence2");
    let captioner = start(&folder("tiny-florence2"), 4).unwrap();
    assert!(captioner.describes_regions() && captioner.takes_prompt());
    let size = captioner.input_spec().size;
    let regions: Vec<BoundingBox> = expected.regions.iter().map(Region::bounds).collect();
    let inputs = (0..4).map(|number| RegionInput {
        tensor: picture(number, size),
        // The last picture has none.
        regions: if number < 3 {
            regions.clone()
        } else {
            Vec::new()
        },
    });
    let found = captioner
        .describe_regions(Lane::Bulk, inputs.collect(), Some(3))
        .await;
    let found = found.unwrap();
    assert_eq!(found.len(), 4);
    assert!(found[3].is_empty());
    for (number, found) in found.iter().take(3).enumerate() {
        let of_picture = expected.regions.iter().map(|region| &region.texts[number]);
        assert_eq!(
            found.iter().collect::<Vec<_>>(),
            of_picture.collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn the_package_of_the_repository_starts_as_it_is() {
    let captioner = start(&folder("tiny-vit-gpt2"), 4).unwrap();
    assert!(captioner.report().is_ready() && !captioner.takes_prompt());
}
