//! The text-encoder family: a tiny BERT with random weights against `transformers`, and the sentence encoder that set-up makes.

use std::path::{Path, PathBuf};

use lamina_inference::{
    DualEncoder, EncoderConfig, InferenceError, Lane, ModelPackage, TextEncoder, TextRole,
};
use lamina_types::Embedding;
use serde::Deserialize;

use crate::support::{assert_same_direction, runtime, tiny_folder, workspace};

#[derive(Deserialize)]
struct Expected {
    role: String,
    text: String,
    mean: Vec<f32>,
    cls: Vec<f32>,
}

fn expected() -> Vec<Expected> {
    let path = workspace().join("tests/golden/tiny-text-encoder/expected.json");
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

/// The tiny package with one change of its manifest.
fn tiny(from: &str, to: &str) -> TextEncoder {
    let folder = tempfile::tempdir().unwrap();
    let golden = workspace().join("tests/golden/tiny-text-encoder");
    for name in ["text_model.onnx", "tokenizer.json"] {
        fs_err::copy(golden.join(name), folder.path().join(name)).unwrap();
    }
    let manifest = fs_err::read_to_string(golden.join("model.toml")).unwrap();
    assert!(manifest.contains(from), "{from}");
    fs_err::write(
        folder.path().join("model.toml"),
        manifest.replacen(from, to, 1),
    )
    .unwrap();
    let package = ModelPackage::open(folder.path()).unwrap();
    TextEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap()
}

async fn embed(encoder: &TextEncoder, role: TextRole, texts: Vec<String>) -> Vec<Embedding> {
    encoder.embed(Lane::Bulk, role, texts).await.unwrap()
}

#[tokio::test]
async fn both_poolings_and_prefixes_agree_with_the_reference() {
    let expected = expected();
    let mean = tiny("pooling = \"mean\"", "pooling = \"mean\"");
    let cls = tiny("pooling = \"mean\"", "pooling = \"cls\"");
    for (name, role) in [("query", TextRole::Query), ("document", TextRole::Document)] {
        let rows: Vec<&Expected> = expected.iter().filter(|row| row.role == name).collect();
        assert_eq!(rows.len(), 5);
        let texts: Vec<String> = rows.iter().map(|row| row.text.clone()).collect();
        // More texts than fit one batch, of different lengths, the last beyond the model's.
        let means = embed(&mean, role, texts.clone()).await;
        let firsts = embed(&cls, role, texts).await;
        for ((row, mean), first) in rows.iter().zip(means).zip(firsts) {
            assert_same_direction(&mean, &row.mean, &format!("{name} {:?}", row.text));
            assert_same_direction(&first, &row.cls, &format!("{name} {:?}", row.text));
        }
    }
}

#[tokio::test]
async fn a_text_encoder_reports_its_graph_and_stops() {
    let encoder = tiny("max_batch = 4", "max_batch = 4");
    assert_eq!(encoder.dimension(), 16);
    assert_eq!(encoder.key().package, "tiny-text-encoder@1");
    let texts = vec!["a dog".to_owned(); 3];
    assert_eq!(embed(&encoder, TextRole::Query, texts).await.len(), 3);
    let report = encoder.report();
    assert!(report.is_ready());
    assert_eq!(report.graphs.len(), 1);
    let (graph, pool) = &report.graphs[0];
    assert_eq!((*graph, pool.items), ("text", 3));
    let huge = encoder
        .embed(Lane::Bulk, TextRole::Query, vec!["a".repeat(40_000)])
        .await;
    assert!(matches!(
        huge,
        Err(InferenceError::TextLength { index: 0, .. })
    ));
    encoder.shutdown().await;
    assert!(!encoder.report().is_ready());
    let stopped = encoder
        .embed(Lane::Bulk, TextRole::Query, vec![String::new()])
        .await;
    assert!(matches!(stopped, Err(InferenceError::Stopped { .. })));
}

#[test]
fn families_are_not_mixed_up() {
    let runtime = runtime();
    let config = EncoderConfig::default();
    let pictures = ModelPackage::open(&tiny_folder()).unwrap();
    let sentences =
        ModelPackage::open(&workspace().join("tests/golden/tiny-text-encoder")).unwrap();
    assert!(matches!(
        TextEncoder::start(&runtime, &pictures, &config),
        Err(InferenceError::Family { .. })
    ));
    assert!(matches!(
        DualEncoder::start(&runtime, &sentences, &config),
        Err(InferenceError::Family { .. })
    ));
}

/// The sentence encoder that set-up makes, if it could fetch it.
fn sentence_encoder_folder() -> Option<PathBuf> {
    let folder = workspace().join(".runtime/models/all-minilm-l6-v2");
    if folder.join("model.toml").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: set-up could not fetch the sentence encoder");
    None
}

/// The same package without its graph of eight-bit weights.
fn without_int8(folder: &Path) -> TextEncoder {
    let copy = tempfile::tempdir().unwrap();
    for name in ["text_model.onnx", "tokenizer.json", "README.md"] {
        fs_err::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    let manifest = fs_err::read_to_string(folder.join("model.toml")).unwrap();
    let sections = manifest.split("[[files]]");
    let kept: Vec<&str> = sections
        .filter(|section| !section.contains("text-int8"))
        .collect();
    fs_err::write(copy.path().join("model.toml"), kept.join("[[files]]")).unwrap();
    let package = ModelPackage::open(copy.path()).unwrap();
    TextEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap()
}

/// 100 sentences, and their vectors by the reference implementation.
fn sentences_and_vectors(dimension: usize) -> (Vec<String>, Vec<Embedding>) {
    let golden = workspace().join("tests/golden/sentence-encoder");
    let sentences = fs_err::read_to_string(golden.join("sentences.txt")).unwrap();
    let sentences: Vec<String> = sentences.lines().map(str::to_owned).collect();
    assert_eq!(sentences.len(), 100);
    let bytes = fs_err::read(golden.join("expected.f32")).unwrap();
    let (values, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect();
    assert_eq!(values.len(), 100 * dimension);
    let vectors = values
        .chunks_exact(dimension)
        .map(|vector| Embedding::new(vector.to_vec()).unwrap());
    (sentences, vectors.collect())
}

/// Weights of eight bits, as processors run them: near the reference, and no text hangs on those beside it.
#[tokio::test]
async fn eight_bit_weights_stay_near_the_reference_in_any_company() {
    let Some(folder) = sentence_encoder_folder() else {
        return;
    };
    let package = ModelPackage::open(&folder).unwrap();
    let encoder = TextEncoder::start(&runtime(), &package, &EncoderConfig::default()).unwrap();
    let (sentences, expected) = sentences_and_vectors(encoder.dimension());
    let together = embed(&encoder, TextRole::Document, sentences.clone()).await;
    let (mut sum, mut worst) = (0.0, 0.0_f32);
    for (found, expected) in together.iter().zip(&expected) {
        let distance = found.cosine_distance(expected);
        worst = worst.max(distance);
        sum += distance;
    }
    eprintln!(
        "distance to the reference: {} on average, at most {worst}",
        sum / 100.0
    );
    assert!(worst <= 0.009 && sum <= 0.13, "{worst}, {sum}");
    assert!(worst > 1e-5, "these are not weights of eight bits");
    for (sentence, beside) in sentences.iter().zip(&together).step_by(7) {
        let alone = embed(&encoder, TextRole::Document, vec![sentence.clone()]).await;
        let apart = alone[0].cosine_distance(beside);
        assert!(apart < 1e-5, "{apart} in {sentence:?}");
    }
}

/// What `xtask setup` makes of the upstream weights, on 100 sentences, to 1e-4 in every place.
#[tokio::test]
async fn the_sentence_encoder_agrees_with_the_reference() {
    let Some(folder) = sentence_encoder_folder() else {
        return;
    };
    let encoder = without_int8(&folder);
    let (sentences, expected) = sentences_and_vectors(encoder.dimension());
    let found = embed(&encoder, TextRole::Document, sentences.clone()).await;
    let mut worst = 0.0_f32;
    for ((sentence, found), expected) in sentences.iter().zip(&found).zip(&expected) {
        for (found, expected) in found.as_slice().iter().zip(expected.as_slice()) {
            let difference = (found - expected).abs();
            assert!(difference <= 1e-4, "{difference} in {sentence:?}");
            worst = worst.max(difference);
        }
    }
    eprintln!("largest difference {worst:e} over 100 sentences");
    // And it means something: a query is nearer to its paraphrase than to anything else.
    let query = embed(
        &encoder,
        TextRole::Query,
        vec!["a crimson vehicle parked by a home".to_owned()],
    )
    .await;
    let nearest = (0..100).min_by(|a, b| {
        let distance = |at: usize| query[0].cosine_distance(&found[at]);
        distance(*a).total_cmp(&distance(*b))
    });
    assert_eq!(
        sentences[nearest.unwrap()],
        "a red sports car in front of a brick house"
    );
}
