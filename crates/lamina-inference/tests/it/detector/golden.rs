//! Tiny detectors of the real architectures: from the same tensor the same objects as from the reference's post-processing.

use lamina_inference::{
    Detection, Detector, DetectorInput, EncoderConfig, Lane, ModelPackage, Models, ModelsOptions,
};
use serde::Deserialize;

use crate::support::{runtime, workspace};

const PACKAGES: [&str; 5] = [
    "tiny-d-fine",
    "tiny-d-fine-pixels",
    "tiny-rt-detr",
    "tiny-rf-detr",
    "tiny-yolox",
];
const SIZE: u32 = 64;

#[derive(Deserialize)]
struct Expected {
    threshold: f32,
    pictures: Vec<ExpectedPicture>,
}

#[derive(Deserialize)]
struct ExpectedPicture {
    width: u32,
    height: u32,
    detections: Vec<ExpectedObject>,
}

#[derive(Deserialize)]
struct ExpectedObject {
    label: String,
    score: f32,
    /// Left, top, right, bottom in pixels.
    #[serde(rename = "box")]
    corners: [f64; 4],
}

fn expected(name: &str) -> Expected {
    let path = workspace().join("tests/golden").join(name);
    serde_json::from_str(&fs_err::read_to_string(path.join("expected.json")).unwrap()).unwrap()
}

fn start(name: &str, config: &EncoderConfig) -> Detector {
    let package = ModelPackage::open(&workspace().join("tests/golden").join(name)).unwrap();
    Detector::start(&runtime(), &package, config).unwrap()
}

/// The reference pictures of `packages.py`.
fn input(number: usize, expected: &ExpectedPicture) -> DetectorInput {
    let number = number as f64;
    let value = |place| (f64::from(place) * 0.37 * (number + 1.0) + number).sin() as f32;
    DetectorInput {
        tensor: (0..3 * SIZE * SIZE).map(value).collect(),
        width: expected.width,
        height: expected.height,
    }
}

#[track_caller]
fn assert_same(found: &[Detection], expected: &ExpectedPicture, what: &str) {
    assert_eq!(found.len(), expected.detections.len(), "{what}: {found:?}");
    // Objects of nearly equal scores may come in another order.
    let mut free: Vec<&ExpectedObject> = expected.detections.iter().collect();
    for found in found {
        let index = free
            .iter()
            .position(|object| is_same(found, object, expected))
            .unwrap_or_else(|| panic!("{what}: {found:?} was not expected"));
        free.remove(index);
    }
    assert!(
        found.is_sorted_by(|a, b| a.confidence >= b.confidence),
        "{what}"
    );
}

fn is_same(found: &Detection, expected: &ExpectedObject, picture: &ExpectedPicture) -> bool {
    let [width, height] = [f64::from(picture.width), f64::from(picture.height)];
    let region = found.region;
    let corners = [
        region.x * width,
        region.y * height,
        (region.x + region.width) * width,
        (region.y + region.height) * height,
    ];
    let distance = corners
        .iter()
        .zip(expected.corners)
        .map(|(a, b)| (a - b).abs());
    found.label.as_ref() == expected.label
        && (found.confidence - expected.score).abs() < 1e-4
        && distance.fold(0.0, f64::max) < 1e-3 * width.max(height)
}

#[tokio::test]
async fn every_layout_gives_what_the_reference_gives_alone_and_in_batches() {
    for name in PACKAGES {
        let (detector, expected) = (start(name, &EncoderConfig::default()), expected(name));
        assert_eq!(detector.default_threshold(), expected.threshold);
        let inputs: Vec<_> = expected
            .pictures
            .iter()
            .enumerate()
            .map(|(number, picture)| input(number, picture))
            .collect();
        let together = detector
            .detect(Lane::Bulk, inputs.clone(), expected.threshold)
            .await
            .unwrap();
        for (number, picture) in expected.pictures.iter().enumerate() {
            assert!(!picture.detections.is_empty(), "{name} proves nothing");
            let alone = detector
                .detect(
                    Lane::Interactive,
                    vec![inputs[number].clone()],
                    expected.threshold,
                )
                .await
                .unwrap();
            let alone = alone[0].as_ref().unwrap();
            assert_same(alone, picture, &format!("{name}, picture {number}"));
            let what = format!("{name}, picture {number} in a batch");
            assert_same(together[number].as_ref().unwrap(), picture, &what);
        }
    }
}

#[tokio::test]
async fn a_higher_threshold_leaves_the_better_part() {
    let detector = start("tiny-rt-detr", &EncoderConfig::default());
    let expected = expected("tiny-rt-detr");
    let inputs = vec![input(0, &expected.pictures[0])];
    let all = detector
        .detect(Lane::Bulk, inputs.clone(), 0.0)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(all.len(), 20, "max_detections of the manifest");
    let middle = all[10].confidence;
    let some = detector
        .detect(Lane::Bulk, inputs.clone(), middle)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let better: Vec<_> = all
        .into_iter()
        .filter(|found| found.confidence >= middle)
        .collect();
    assert_eq!(some, better);
    let none = detector.detect(Lane::Bulk, inputs, 1.0).await.unwrap();
    assert!(none[0].as_ref().unwrap().is_empty());
}

#[tokio::test]
async fn the_registry_loads_detectors_and_reports_them() {
    let models = Models::new(
        runtime(),
        ModelsOptions {
            dirs: vec![workspace().join("tests/golden")],
            encoder: EncoderConfig::default(),
            idle_unload: std::time::Duration::from_secs(60),
        },
    );
    let detector = models.detector("tiny-yolox@1").await.unwrap();
    let reports = models.reports();
    assert_eq!(reports.len(), 1);
    assert!(reports[0].is_ready() && reports[0].package == detector.key().package);
    assert_eq!(reports[0].graphs[0].0, "detector");
    assert!(models.dual_encoder("tiny-yolox@1").await.is_err());
    models.shutdown().await;
    assert!(!detector.report().is_ready());
}
