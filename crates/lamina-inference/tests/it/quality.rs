//! Figures of detectors against those of `pycocotools` for the same answers.

use std::collections::BTreeMap;

use lamina_inference::{FoundObject, LabelledPicture, TrueObject, detection_quality};
use lamina_types::BoundingBox;
use serde::Deserialize;

use crate::support::workspace;

#[derive(Deserialize)]
struct Golden {
    width: u32,
    height: u32,
    expected: Expected,
    pictures: Vec<GoldenPicture>,
}

#[derive(Deserialize)]
struct Expected {
    ap: f64,
    ap50: f64,
    ap75: f64,
    recall: f64,
    classes: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct GoldenPicture {
    truth: Vec<GoldenObject>,
    found: Vec<GoldenObject>,
}

#[derive(Deserialize)]
struct GoldenObject {
    label: String,
    /// Left, top, width, height in pixels.
    #[serde(rename = "box")]
    place: [f64; 4],
    #[serde(default)]
    score: f32,
    #[serde(default)]
    crowd: bool,
}

#[test]
fn the_figures_are_those_of_pycocotools() {
    let path = workspace().join("tests/golden/detection-quality.json");
    let golden: Golden = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    let region = |place| BoundingBox::from_pixels(place, golden.width, golden.height).unwrap();
    let pictures: Vec<LabelledPicture> = golden
        .pictures
        .iter()
        .map(|picture| LabelledPicture {
            truth: picture
                .truth
                .iter()
                .map(|object| TrueObject {
                    label: object.label.clone(),
                    region: region(object.place),
                    is_crowd: object.crowd,
                })
                .collect(),
            found: picture
                .found
                .iter()
                .map(|object| FoundObject {
                    label: object.label.clone(),
                    region: region(object.place),
                    confidence: object.score,
                })
                .collect(),
        })
        .collect();
    let quality = detection_quality(&pictures).unwrap();
    let expected = golden.expected;
    let mut pairs = vec![
        ("ap".to_owned(), quality.ap, expected.ap),
        ("ap50".to_owned(), quality.ap50, expected.ap50),
        ("ap75".to_owned(), quality.ap75, expected.ap75),
        ("recall".to_owned(), quality.recall, expected.recall),
    ];
    assert_eq!(quality.classes.len(), expected.classes.len());
    for (name, ap) in &expected.classes {
        pairs.push((name.clone(), quality.classes[name], *ap));
    }
    for (what, found, expected) in pairs {
        assert!(
            (found - expected).abs() < 1e-9,
            "{what}: {found} where {expected} was expected"
        );
    }
}
