use serde::Deserialize;

use super::*;
use crate::ModelManifest;

const FILE: &[u8] = include_bytes!("../../../../../tests/golden/tiny-florence2/tokenizer.json");
const MANIFEST: &str = include_str!("../../../../../tests/golden/tiny-florence2/model.toml");
const EXPECTED: &str = include_str!("../../../../../tests/golden/tiny-florence2/expected.json");

fn spec() -> CaptionerSpec {
    ModelManifest::parse(MANIFEST).unwrap().captioner.unwrap()
}

fn words() -> Words {
    Words::new(FILE, &spec()).unwrap()
}

fn prompt(words: &Words, text: &str) -> Result<Arc<[u32]>, PromptError> {
    words.prompt(Some(text)).map_err(refusal)
}

fn refusal(error: WordsError) -> PromptError {
    match error {
        WordsError::Prompt(error) => error,
        WordsError::Tokenizer(error) => panic!("{error}"),
    }
}

#[test]
fn tasks_stand_for_their_words() {
    let words = words();
    let caption = prompt(&words, "<CAPTION>").unwrap();
    assert_eq!(
        caption,
        prompt(&words, "What does the image describe?").unwrap()
    );
    assert_eq!(caption, words.prompt(None).map_err(refusal).unwrap());
    assert_eq!((caption.first(), caption.last()), (Some(&0), Some(&2)));
    assert_eq!(
        prompt(&words, REGION_TASK),
        Err(PromptError::NeedsRegion(REGION_TASK.to_owned()))
    );
}

#[test]
fn special_tokens_that_somebody_types_are_words() {
    let words = words();
    for text in ["</s>", "a <s> b", "<loc_5><loc_6>", "<pad>"] {
        let tokens = prompt(&words, text).unwrap();
        let inner = &tokens[1..tokens.len() - 1];
        assert!(inner.len() > 3, "{text}: {inner:?}");
        // Special tokens would be left out here. (The tiny vocabulary has no digits.)
        let expected = text.replace(char::is_numeric, "");
        assert_eq!(words.decode(inner).unwrap(), expected);
        assert_eq!(words.locations.parts(inner).len(), 1);
    }
}

#[test]
fn a_region_is_asked_for_by_its_places() {
    let words = words();
    let region = BoundingBox::from_fractions(0.1, 0.2, 0.3, 0.4).unwrap();
    let tokens = words.region_prompt(&region).map_err(refusal).unwrap();
    let parts = words.locations.parts(&tokens);
    assert_eq!(parts[0].places, [100, 200, 400, 600]);
    let mut without = spec();
    without.prompts.remove(REGION_TASK);
    let without = Words::new(FILE, &without).unwrap();
    let refused = without.region_prompt(&region).map_err(refusal);
    assert_eq!(refused, Err(PromptError::NoRegions));
}

#[test]
fn prompts_that_are_too_long_or_not_taken_are_refused() {
    let words = words();
    for (text, unit) in [("a ".repeat(90), "tokens"), ("a ".repeat(9000), "bytes")] {
        let refused = prompt(&words, &text).unwrap_err();
        assert!(matches!(refused, PromptError::TooLong { unit: found, .. } if found == unit));
    }
    let mut silent = spec();
    silent.layout = CaptionerLayout::EncoderDecoder;
    let silent = Words::new(FILE, &silent).unwrap();
    assert_eq!(prompt(&silent, "<CAPTION>"), Err(PromptError::NotTaken));
    assert!(silent.prompt(None).is_ok_and(|tokens| tokens.is_empty()));
}

#[test]
fn the_longest_prompt_is_as_long_as_allowed() {
    let tokens = words().longest_prompt().map_err(refusal).unwrap();
    assert_eq!(tokens.len(), spec().max_prompt_tokens);
}

#[test]
fn unknown_tokens_and_no_tokens_are_no_text() {
    let words = words();
    assert_eq!(words.text(&[]).unwrap(), "");
    assert_eq!(words.text(&[4_000_000, u32::MAX]).unwrap(), "");
    assert_eq!(words.located(&[u32::MAX]).unwrap(), []);
    for file in [&b"{}"[..], b"\xff\x00", b""] {
        assert!(Words::new(file, &spec()).is_err());
    }
}

#[derive(Deserialize)]
struct Expected {
    read: Vec<Read>,
}

#[derive(Deserialize)]
struct Read {
    marked: String,
    found: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    text: String,
    #[serde(rename = "box")]
    sides: [f64; 4],
}

#[test]
fn places_are_read_as_the_reference_reads_them() {
    let words = words();
    let expected: Expected = serde_json::from_str(EXPECTED).unwrap();
    assert_eq!(expected.read.len(), 3);
    for read in &expected.read {
        let encoding = words.marked.encode(read.marked.as_str(), true).unwrap();
        let found = words.located(encoding.get_ids()).unwrap();
        assert_eq!(found.len(), read.found.len(), "{}", read.marked);
        for (found, expected) in found.iter().zip(&read.found) {
            assert_eq!(found.text, expected.text);
            let region = &found.region;
            let sides = [
                region.x,
                region.y,
                region.x + region.width,
                region.y + region.height,
            ];
            for (found, expected) in sides.iter().zip(expected.sides) {
                assert!((found - expected).abs() < 1e-9, "{}", read.marked);
            }
        }
    }
}
