//! Token ids against `transformers`, for both conventions of dual encoders (`tests/golden/dual_encoders.py`).

use serde::Deserialize;

use super::*;
use crate::ModelManifest;

#[derive(Deserialize)]
struct Expected {
    texts: Vec<Text>,
    /// The ids of all texts as one batch.
    batch: Vec<Vec<i64>>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<i64>,
}

#[track_caller]
fn assert_same_ids(manifest: &str, tokenizer: &[u8], expected: &str) {
    let expected: Expected = serde_json::from_str(expected).unwrap();
    let spec = ModelManifest::parse(manifest).unwrap().text.unwrap();
    let tokens = TextTokens::new(tokenizer, spec).unwrap();
    assert!(expected.texts.len() > 4);
    for text in &expected.texts {
        let found = tokens
            .encode(std::slice::from_ref(&text.text), &[])
            .unwrap();
        assert_eq!(found.ids, text.ids, "{:?}", text.text);
    }
    let texts: Vec<String> = expected.texts.into_iter().map(|text| text.text).collect();
    let found = tokens.encode(&texts, &[]).unwrap();
    assert_eq!(found.ids, expected.batch.concat());
}

#[test]
fn clip_texts_end_with_their_end_token_and_fill_up_with_it() {
    assert_same_ids(
        include_str!("../../../../tests/golden/tiny-clip/model.toml"),
        include_bytes!("../../../../tests/golden/tiny-clip/tokenizer.json"),
        include_str!("../../../../tests/golden/tiny-clip/expected.json"),
    );
}

#[test]
fn siglip_texts_have_no_start_and_always_fill_all_places() {
    assert_same_ids(
        include_str!("../../../../tests/golden/tiny-siglip/model.toml"),
        include_bytes!("../../../../tests/golden/tiny-siglip/tokenizer.json"),
        include_str!("../../../../tests/golden/tiny-siglip/expected.json"),
    );
}

/// The vocabulary of every model of `OpenAI`'s family.
#[test]
fn the_real_byte_pairs_give_the_known_ids() {
    let Some(file) = lamina_testkit::shared::shared("models/clip-bpe/tokenizer.json") else {
        return;
    };
    let file = fs_err::read(file).unwrap();
    let manifest = include_str!("../../../../tests/golden/tiny-clip/model.toml");
    let mut spec = ModelManifest::parse(manifest).unwrap().text.unwrap();
    spec.pad_id = 49_407;
    let tokens = TextTokens::new(&file, spec).unwrap();
    let texts = ["a photo of a cat", "A diagram"].map(str::to_owned);
    let found = tokens.encode(&texts, &[]).unwrap();
    let (first, second) = found.ids.split_at(found.length);
    assert_eq!(first, [49_406, 320, 1125, 539, 320, 2368, 49_407]);
    assert_eq!(
        second,
        [49_406, 320, 22_697, 49_407, 49_407, 49_407, 49_407]
    );
}
