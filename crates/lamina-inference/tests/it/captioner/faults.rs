//! Requests that cannot work, and graphs that are wrong: errors that say so, never a panic, and never for ever.

use lamina_inference::{
    CaptionError, CaptionOptions, Captioner, ErrorClass, InferenceError, Lane, RegionInput,
    SessionError,
};
use lamina_types::BoundingBox;

use super::support::{picture, start, start_with};
use crate::support::workspace;

/// The tiny BART captioner with another decoder.
fn with_decoder(name: &str) -> Result<Captioner, InferenceError> {
    let decoder = format!("../broken-captioners/{name}.onnx");
    let lines = "start_token = 2\nstop_token = 1\nforced_first_token = 0\nforced_last_token = 1\n";
    let folder = workspace().join("tests/golden/tiny-bart-captioner");
    start_with(&folder, &decoder, lines, 2)
}

#[track_caller]
fn refusal(name: &str) -> SessionError {
    match with_decoder(name) {
        Err(InferenceError::Start { source, .. }) => source,
        Err(other) => panic!("{name}: {other:?}"),
        Ok(_) => panic!("{name} was started"),
    }
}

#[test]
fn wrong_graphs_are_refused_with_a_reason() {
    assert!(with_decoder("good").is_ok());
    for (name, reason) in [
        ("no-present", "no output \"present.0.key\""),
        ("unknown-heads", "caches of 32-bit floats"),
        ("whole-number-caches", "caches of 32-bit floats"),
        ("flat-scores", "output logits"),
        ("unknown-input", "position_bias"),
        ("other-heads", "the graph failed"),
        ("cache-does-not-grow", "1 values where 2 were expected"),
    ] {
        let error = refusal(name).to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    let folder = workspace().join("tests/golden/tiny-bart-captioner");
    let outside = start_with(&folder, "decoder_model.onnx", "start_token = 160\n", 1);
    let error = format!("{:?}", outside.unwrap_err());
    assert!(error.contains("OutsideVocabulary"), "{error}");
    // A decoder of another layout, and an encoder in its place.
    for (decoder, input) in [
        (
            "../tiny-florence2/decoder_model_merged.onnx",
            "input of its layout",
        ),
        ("../tiny-florence2/vision_encoder.onnx", "pixel_values"),
    ] {
        let error = start_with(&folder, decoder, "", 1).unwrap_err();
        let InferenceError::Start { source, .. } = error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains(input), "{source}");
    }
}

#[tokio::test]
async fn scores_that_are_no_numbers_are_an_error_of_the_model() {
    let captioner = with_decoder("no-numbers").unwrap();
    let size = captioner.input_spec().size;
    let options = CaptionOptions::default();
    let texts = captioner
        .caption(Lane::Bulk, vec![picture(0, size)], &options)
        .await
        .unwrap();
    assert_eq!(texts, [Err(CaptionError::Scores)]);
    assert!(captioner.report().is_ready());
}

#[tokio::test]
async fn a_model_that_never_stops_is_stopped() {
    let captioner = with_decoder("good").unwrap();
    let size = captioner.input_spec().size;
    for beams in [1, 3] {
        let options = CaptionOptions {
            beams: Some(beams),
            ..CaptionOptions::default()
        };
        let pictures = vec![picture(0, size), vec![f32::NAN; picture(0, size).len()]];
        let texts = captioner
            .caption(Lane::Bulk, pictures, &options)
            .await
            .unwrap();
        let texts: Vec<String> = texts.into_iter().map(Result::unwrap).collect();
        // 18 tokens, the first and the last of them forced and silent.
        let token = &texts[0][..texts[0].len() / 16];
        assert!(!token.is_empty());
        assert_eq!(texts[0], token.repeat(16), "{beams} beams");
        assert_eq!(texts[1], texts[0]);
    }
}

#[tokio::test]
async fn requests_that_a_model_does_not_take_are_refused_before_the_queue() {
    let captioner = start(&workspace().join("tests/golden/tiny-vit-gpt2"), 2).unwrap();
    let florence = start(&workspace().join("tests/golden/tiny-florence2"), 2).unwrap();
    let ask = |prompt: Option<&str>, beams| CaptionOptions {
        prompt: prompt.map(str::to_owned),
        beams,
    };
    let long = "a dog ".repeat(60);
    for (captioner, options) in [
        (&captioner, ask(Some("<CAPTION>"), None)),
        (&captioner, ask(None, Some(0))),
        (&captioner, ask(None, Some(17))),
        (&florence, ask(Some(&long), None)),
        (&florence, ask(Some("<REGION_TO_DESCRIPTION>"), None)),
    ] {
        let size = captioner.input_spec().size;
        let error = captioner
            .caption(Lane::Bulk, vec![picture(0, size)], &options)
            .await;
        let error = error.unwrap_err();
        assert!(matches!(error, InferenceError::Prompt { .. }), "{error:?}");
        assert_eq!(error.class(), ErrorClass::InvalidInput);
    }
    let short = captioner
        .caption(Lane::Bulk, vec![vec![0.0; 5]], &ask(None, None))
        .await;
    assert_eq!(short.unwrap_err().class(), ErrorClass::InvalidInput);
    let region = BoundingBox::from_fractions(0.0, 0.0, 1.0, 1.0).unwrap();
    let input = RegionInput {
        tensor: picture(0, captioner.input_spec().size),
        regions: vec![region],
    };
    let refused = captioner
        .describe_regions(Lane::Bulk, vec![input], None)
        .await;
    assert_eq!(refused.unwrap_err().class(), ErrorClass::InvalidInput);
    for captioner in [captioner, florence] {
        assert_eq!(captioner.report().graphs[0].1.items, 0);
        let nothing = captioner
            .caption(Lane::Bulk, Vec::new(), &ask(None, None))
            .await;
        assert!(nothing.unwrap().is_empty());
        captioner.shutdown().await;
        let size = captioner.input_spec().size;
        let late = captioner
            .caption(Lane::Bulk, vec![picture(0, size)], &ask(None, None))
            .await;
        assert_eq!(late.unwrap_err().class(), ErrorClass::Unavailable);
    }
}
