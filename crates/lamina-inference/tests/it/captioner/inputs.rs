//! The tensors of captioners are those of the processors of transformers.

use lamina_inference::ModelManifest;
use lamina_media::{DecodeLimits, InputSpec, decode, model_input};
use serde::Deserialize;

use crate::support::workspace;

#[derive(Deserialize)]
struct Case {
    image: String,
    processor: String,
    size: u32,
    every_1009th: Vec<f32>,
}

/// As the tiny package of this architecture has it, at the size of the real one.
fn spec(processor: &str, size: u32) -> InputSpec {
    let path = format!("tests/golden/tiny-{processor}/model.toml");
    let text = fs_err::read_to_string(workspace().join(path)).unwrap();
    let image = ModelManifest::parse(&text).unwrap().image.unwrap();
    InputSpec { size, ..image }
}

#[test]
fn tensors_are_those_of_the_reference_processors() {
    let golden = workspace().join("tests/golden");
    let text = fs_err::read_to_string(golden.join("captioner-inputs/expected.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let bytes = fs_err::read(golden.join("images").join(&case.image)).unwrap();
        let picture = decode(&bytes, &DecodeLimits::default()).unwrap();
        let spec = spec(&case.processor, case.size);
        let tensor = model_input(&picture, &spec).unwrap();
        let found: Vec<f32> = tensor.iter().copied().step_by(1009).collect();
        assert_eq!(found.len(), case.every_1009th.len());
        // The resizers round to 8 bits; at a half one may go up and the other down.
        let level = 1.0 / 255.0 / spec.std.into_iter().fold(1.0, f32::min);
        let off = |(found, expected): (&f32, &f32)| (found - expected).abs();
        let differences = found.iter().zip(&case.every_1009th).map(off);
        let differing = differences.clone().filter(|off| *off > 1e-5).count();
        let worst = differences.fold(0.0, f32::max);
        let what = format!("{} {}: {worst}, {differing}", case.image, case.processor);
        assert!(worst <= level * 1.01, "{what}");
        assert!(differing * 20 <= found.len(), "{what} of {}", found.len());
    }
}
