//! Tiny captioners of the real architectures against what `generate` of transformers says.

use std::path::{Path, PathBuf};

use lamina_inference::{CaptionOptions, Captioner, Lane};
use serde::Deserialize;

use super::support::{start, start_with};
use crate::support::workspace;

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
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

/// The pictures of the makers of the tiny models.
fn picture(number: usize, size: u32) -> Vec<f32> {
    let number = number as f64;
    (0..3 * size * size)
        .map(|place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32)
        .collect()
}

async fn texts(captioner: &Captioner, pictures: usize, case: &Case) -> Vec<String> {
    let size = captioner.input_spec().size;
    let tensors = (0..pictures).map(|number| picture(number, size)).collect();
    let options = CaptionOptions {
        prompt: case.options.prompt.clone(),
        beams: Some(case.options.num_beams),
    };
    captioner
        .caption(Lane::Bulk, tensors, &options)
        .await
        .unwrap()
}

/// Every case, with the package's decoder and with the one that has no caches, in batches and one at a time.
async fn check(folder: &Path) {
    let text = fs_err::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&text).unwrap();
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
async fn the_package_of_the_repository_starts_as_it_is() {
    let captioner = start(&folder("tiny-vit-gpt2"), 4).unwrap();
    assert!(captioner.report().is_ready() && !captioner.takes_prompt());
}
