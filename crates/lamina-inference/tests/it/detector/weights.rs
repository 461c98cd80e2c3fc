//! Real weights on real photos: what the reference finds is found, in every layout, and the average precision is what it was measured
//! to be in Python.

use std::path::Path;

use lamina_inference::{
    Detection, Detector, DetectorInput, EncoderConfig, FoundObject, LabelledPicture, Lane,
    TrueObject, detection_quality,
};
use lamina_media::{Picture, model_input};
use lamina_types::BoundingBox;
use serde::Deserialize;

use crate::shared::{package, photo, shared};
use crate::support::runtime;

const DEIMV2_FEMTO: &str = r#"family = "detector"
image = { size = 416, resize = "stretch", filter = "bilinear", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }
batch = { max_batch = 8 }
detector = { layout = "LAYOUT", score_threshold = 0.4 }
"#;
const YOLOX_NANO: &str = r#"family = "detector"
image = { size = 416, resize = "letterbox", filter = "bilinear", channels = "bgr", range = "bytes", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }
batch = { max_batch = 1 }
detector = { layout = "yolox", score_threshold = 0.4, iou_threshold = 0.45, strides = [8, 16, 32] }
"#;

/// One of the models, in a folder of its own.
fn start(folder: &Path, graph: &str, rest: &str) -> Detector {
    let to = tempfile::tempdir().unwrap();
    let files = [(graph, "model"), ("labels.txt", "labels")];
    let package = package(to.path(), folder, &files, rest);
    Detector::start(&runtime(), &package, &EncoderConfig::default()).unwrap()
}

fn models() -> Option<[(&'static str, Detector); 3]> {
    let folder = shared("models")?;
    let femto = folder.join("deimv2-femto-coco");
    let layout = |name| DEIMV2_FEMTO.replace("LAYOUT", name);
    Some([
        ("deimv2_femto", start(&femto, "model.onnx", &layout("detr"))),
        (
            "deimv2_femto",
            start(
                &femto,
                "deimv2_hgnetv2_femto_coco.onnx",
                &layout("detr-pixels"),
            ),
        ),
        (
            "yolox_nano",
            start(
                &folder.join("yolox-nano-coco"),
                "yolox_nano.onnx",
                YOLOX_NANO,
            ),
        ),
    ])
}

fn input(detector: &Detector, picture: &Picture) -> DetectorInput {
    let (width, height) = picture.pixel_size();
    DetectorInput {
        tensor: model_input(picture, detector.input_spec()).unwrap(),
        width,
        height,
    }
}

#[derive(Deserialize)]
struct Golden {
    photos: Vec<GoldenPhoto>,
}

#[derive(Deserialize)]
struct GoldenPhoto {
    file: String,
    deimv2_femto: Vec<GoldenBox>,
    yolox_nano: Vec<GoldenBox>,
}

#[derive(Deserialize)]
struct GoldenBox {
    label: String,
    score: f32,
    #[serde(rename = "box")]
    corners: [f64; 4],
}

/// Intersection over union.
fn overlap(found: &BoundingBox, corners: [f64; 4], (width, height): (u32, u32)) -> f64 {
    let [width, height] = [f64::from(width), f64::from(height)];
    let [left, top, right, bottom] = [
        (corners[0] / width).clamp(0.0, 1.0),
        (corners[1] / height).clamp(0.0, 1.0),
        (corners[2] / width).clamp(0.0, 1.0),
        (corners[3] / height).clamp(0.0, 1.0),
    ];
    let across = (found.x + found.width).min(right) - found.x.max(left);
    let down = (found.y + found.height).min(bottom) - found.y.max(top);
    let common = across.max(0.0) * down.max(0.0);
    common / (found.width * found.height + (right - left) * (bottom - top) - common)
}

/// The reference was made with another decoder of JPEG files, so digits differ.
fn is_found(expected: &GoldenBox, found: &[Detection], size: (u32, u32)) -> bool {
    found.iter().any(|found| {
        found.label.as_ref() == expected.label
            && (found.confidence - expected.score).abs() < 0.1
            && overlap(&found.region, expected.corners, size) > 0.8
    })
}

#[tokio::test]
async fn the_reference_detections_are_found_in_every_layout() {
    let (Some(models), Some(golden)) = (models(), shared("models/golden.json")) else {
        return;
    };
    let golden: Golden = serde_json::from_str(&fs_err::read_to_string(golden).unwrap()).unwrap();
    let photos = shared("photos/coco-cc/images").unwrap();
    for (number, (name, detector)) in models.iter().enumerate() {
        let mut missing = Vec::new();
        let mut total = 0;
        for golden in &golden.photos {
            let picture = photo(&photos.join(&golden.file));
            let found = detector
                .detect(Lane::Bulk, vec![input(detector, &picture)], 0.3)
                .await
                .unwrap()
                .remove(0)
                .unwrap();
            let expected = if *name == "yolox_nano" {
                &golden.yolox_nano
            } else {
                &golden.deimv2_femto
            };
            for expected in expected {
                total += 1;
                if !is_found(expected, &found, picture.pixel_size()) {
                    missing.push(format!(
                        "{} {} {:?}",
                        golden.file, expected.label, expected.corners
                    ));
                }
            }
            assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence));
        }
        eprintln!(
            "{name} (model {number}): {} of {total} found",
            total - missing.len()
        );
        assert!(missing.is_empty(), "{name} (model {number}): {missing:#?}");
    }
}

#[derive(Deserialize)]
struct Instances {
    images: Vec<InstanceImage>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct InstanceImage {
    id: u64,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// As evaluations of COCO do: everything that scores at all counts, for the ranking is what is measured.
const EVALUATION_THRESHOLD: f32 = 0.001;

#[tokio::test]
async fn average_precision_on_photos_is_what_the_weights_can_do() {
    let (Some(models), Some(folder)) = (models(), shared("photos/coco-cc")) else {
        return;
    };
    let text = fs_err::read_to_string(folder.join("instances.json")).unwrap();
    let instances: Instances = serde_json::from_str(&text).unwrap();
    let name = |id| {
        let category = instances.categories.iter().find(|known| known.id == id);
        category.unwrap().name.clone()
    };
    let mut labelled: Vec<[LabelledPicture; 3]> = Vec::new();
    for image in &instances.images {
        let picture = photo(&folder.join("images").join(&image.file_name));
        assert_eq!(picture.pixel_size(), (image.width, image.height));
        let truth: Vec<TrueObject> = instances
            .annotations
            .iter()
            .filter(|object| object.image_id == image.id)
            .map(|object| TrueObject {
                label: name(object.category_id),
                region: BoundingBox::from_pixels(object.bbox, image.width, image.height).unwrap(),
                is_crowd: object.iscrowd != 0,
            })
            .collect();
        let mut answers = Vec::new();
        for (_, detector) in &models {
            let inputs = vec![input(detector, &picture)];
            let found = detector
                .detect(Lane::Bulk, inputs, EVALUATION_THRESHOLD)
                .await
                .unwrap()
                .remove(0)
                .unwrap();
            let found = found
                .into_iter()
                .map(|found| FoundObject {
                    label: found.label.to_string(),
                    region: found.region,
                    confidence: found.confidence,
                })
                .collect();
            answers.push(LabelledPicture {
                truth: truth.clone(),
                found,
            });
        }
        labelled.push(answers.try_into().unwrap());
    }
    let least = [0.36, 0.36, 0.26];
    for (number, ((name, _), least)) in models.iter().zip(least).enumerate() {
        let pictures: Vec<_> = labelled.iter().map(|all| all[number].clone()).collect();
        let quality = detection_quality(&pictures).unwrap();
        eprintln!(
            "{name} (model {number}): AP {:.4}, AP50 {:.4}, AP75 {:.4}, recall {:.4}",
            quality.ap, quality.ap50, quality.ap75, quality.recall
        );
        assert!(
            quality.ap >= least,
            "{name} (model {number}): AP {}",
            quality.ap
        );
    }
}
