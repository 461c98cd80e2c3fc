//! Graphs, labels and requests that are wrong: each is refused with words that say why, and nothing panics.

use std::error::Error;

use lamina_inference::{
    Detection, DetectionFault, Detector, DetectorInput, EncoderConfig, ErrorClass, InferenceError,
    Lane, ModelPackage, SessionError,
};

use crate::shared::package;
use crate::support::{runtime, workspace};

/// A package of one of the broken graphs with these lines of labels.
fn start(
    graph: &str,
    labels: &str,
    detector: &str,
    batch: usize,
) -> Result<Detector, InferenceError> {
    let from = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let folder = workspace().join("tests/golden/broken-detectors");
    fs_err::copy(
        folder.join(format!("{graph}.onnx")),
        from.path().join("model.onnx"),
    )
    .unwrap();
    fs_err::write(from.path().join("labels.txt"), labels).unwrap();
    let rest = format!(
        r#"family = "detector"
image = {{ size = 4, resize = "stretch", filter = "bilinear", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }}
batch = {{ max_batch = {batch} }}
detector = {{ score_threshold = 0.5, {detector} }}
"#
    );
    let files = [("model.onnx", "model"), ("labels.txt", "labels")];
    let package = package(to.path(), from.path(), &files, &rest);
    Detector::start(&runtime(), &package, &EncoderConfig::default())
}

const HUB: &str = "layout = \"detr\"";
const PIXELS: &str = "layout = \"detr-pixels\"";
const YOLOX: &str = "layout = \"yolox\", iou_threshold = 0.5, strides = [4]";
const LABELS: &str = "dog\ncat\n";

/// Why it did not start.
fn refusal(graph: &str, labels: &str, detector: &str, batch: usize) -> SessionError {
    match start(graph, labels, detector, batch) {
        Err(InferenceError::Start { source, .. }) => source,
        other => panic!("{graph}: {other:?}"),
    }
}

fn input(mean: f32) -> DetectorInput {
    DetectorInput {
        tensor: vec![mean; 48],
        width: 200,
        height: 100,
    }
}

#[test]
fn graphs_of_another_form_do_not_start() {
    for (graph, detector, batch, words) in [
        (
            "five-numbers",
            HUB,
            2,
            "\"pred_boxes\" came with the shape [3, 5], not with 3 x 4 for each picture",
        ),
        (
            "two-boxes",
            HUB,
            2,
            "\"pred_boxes\" came with the shape [2, 4]",
        ),
        (
            "first-picture-only",
            HUB,
            2,
            "\"logits\" came with the shape [1, 3, 2], not with 2 rows",
        ),
        ("other-names", HUB, 2, "no output \"pred_boxes\""),
        (
            "other-names",
            "layout = \"rf-detr\"",
            2,
            "no output \"labels\"",
        ),
        ("wants-a-mask", HUB, 2, "\"pixel_mask\""),
        ("grey", HUB, 2, "batch x 3 x size x size"),
        ("larger", HUB, 2, "image.size = 4, the graph 8"),
        (
            "whole-numbers",
            HUB,
            2,
            "\"logits\" is i64 of 3 dimensions, not f32 of 3 dimensions",
        ),
        (
            "flat-boxes",
            HUB,
            2,
            "\"pred_boxes\" is f32 of 2 dimensions",
        ),
        (
            "only-two-at-once",
            HUB,
            3,
            "batch.max_batch = 3, the graph 2",
        ),
        ("edges", PIXELS, 2, "orig_target_sizes"),
        ("edges", YOLOX, 2, "single output"),
        ("two-outputs", YOLOX, 2, "single output"),
        ("two-cells", YOLOX, 2, "= 1, the graph 2"),
    ] {
        let refusal = refusal(graph, LABELS, detector, batch);
        assert!(refusal.to_string().contains(words), "{graph}: {refusal}");
    }
}

#[test]
fn labels_that_do_not_belong_to_the_graph_are_refused() {
    for labels in ["dog\n", "dog\ncat\nbird\n", ""] {
        for (graph, detector) in [("edges", HUB), ("announced-classes", HUB), ("grid", YOLOX)] {
            let refusal = refusal(graph, labels, detector, 2);
            let lines = labels.lines().count() as i64;
            assert!(
                matches!(refusal, SessionError::Classes { lines: found, classes: 2 } if found == lines),
                "{graph} with {labels:?}: {refusal:?}"
            );
        }
    }
    // An empty line is a class that is never reported.
    assert!(start("edges", "\ncat\n", HUB, 2).is_ok());
}

fn corners(found: &Detection) -> [f64; 4] {
    let region = found.region;
    [
        region.x,
        region.y,
        region.x + region.width,
        region.y + region.height,
    ]
    .map(|value| (value * 1e5).round() / 1e5)
}

#[tokio::test]
async fn boxes_are_cut_at_the_edge_and_dropped_beyond_it() {
    let detector = start("edges", LABELS, HUB, 2).unwrap();
    let found = detector
        .detect(Lane::Interactive, vec![input(0.1)], 0.5)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|found| (found.label.as_ref(), corners(found)))
        .collect();
    assert_eq!(
        found,
        [
            ("dog", [0.4, 0.3, 0.6, 0.7]),
            ("cat", [0.85, 0.0, 1.0, 1.0])
        ]
    );
    // A cell whose width overflows covers the whole picture.
    let detector = start("endless-cell", LABELS, YOLOX, 2).unwrap();
    let found = detector
        .detect(Lane::Interactive, vec![input(0.1)], 0.5)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!((found.len(), found[0].label.as_ref()), (1, "cat"));
    assert_eq!(corners(&found[0]), [0.0, 0.0, 1.0, 1.0]);
}

#[tokio::test]
async fn a_graph_for_batches_of_one_size_is_filled_up() {
    let detector = start("only-two-at-once", LABELS, HUB, 1).unwrap();
    let inputs = (0..3).map(|_| input(0.1)).collect();
    let found = detector.detect(Lane::Bulk, inputs, 0.5).await.unwrap();
    let counts = found.iter().map(|found| found.as_ref().unwrap().len());
    assert_eq!(counts.collect::<Vec<_>>(), [2, 2, 2]);
}

#[tokio::test]
async fn outputs_that_are_no_numbers_are_an_error_of_that_picture_alone() {
    for (graph, detector, fault) in [
        ("not-a-number", HUB, DetectionFault::Score),
        ("endless-boxes", HUB, DetectionFault::Box),
        ("unknown-class", PIXELS, DetectionFault::Class(3)),
    ] {
        let detector = start(graph, LABELS, detector, 2).unwrap();
        let found = detector
            .detect(Lane::Bulk, vec![input(0.1), input(1.0), input(0.1)], 0.1)
            .await
            .unwrap();
        assert_eq!(found[1], Err(fault), "{graph}");
        for other in [&found[0], &found[2]] {
            assert!(!other.as_ref().unwrap().is_empty(), "{graph}");
        }
        assert_eq!(detector.report().graphs[0].1.bad_vectors, 1, "{graph}");
    }
}

#[tokio::test]
async fn requests_that_cannot_work_are_refused_before_the_queue() {
    let detector = start("edges", LABELS, HUB, 2).unwrap();
    for threshold in [f32::NAN, -0.1, 1.1, f32::INFINITY] {
        let error = detector
            .detect(Lane::Bulk, vec![input(0.1)], threshold)
            .await
            .unwrap_err();
        assert!(matches!(error, InferenceError::Threshold(_)), "{threshold}");
        assert_eq!(error.class(), ErrorClass::InvalidInput);
    }
    let short = DetectorInput {
        tensor: vec![0.0; 5],
        ..input(0.1)
    };
    let error = detector
        .detect(Lane::Bulk, vec![input(0.1), short], 0.5)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        InferenceError::TensorLength {
            index: 1,
            found: 5,
            expected: 48
        }
    ));
    let empty = DetectorInput {
        width: 0,
        ..input(0.1)
    };
    let error = detector
        .detect(Lane::Bulk, vec![empty], 0.5)
        .await
        .unwrap_err();
    assert!(matches!(error, InferenceError::PictureSize { index: 0 }));
    assert_eq!(detector.report().graphs[0].1.items, 0);
    // A tensor of no numbers goes through the graph and is the graph's affair.
    let found = detector
        .detect(Lane::Bulk, vec![input(f32::NAN), input(0.1)], 0.5)
        .await
        .unwrap();
    assert!(found[0].is_err() && found[1].is_ok(), "{found:?}");
    assert!(
        detector
            .detect(Lane::Bulk, Vec::new(), 0.5)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn after_a_shutdown_everything_is_refused() {
    let detector = start("edges", LABELS, HUB, 2).unwrap();
    let other_handle = detector.clone();
    detector.shutdown().await;
    let error = other_handle
        .detect(Lane::Interactive, vec![input(0.1)], 0.5)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
}

#[test]
fn packages_of_another_family_are_refused() {
    let folder = workspace().join("tests/golden/tiny-dual-encoder");
    let package = ModelPackage::open(&folder).unwrap();
    let error = Detector::start(&runtime(), &package, &EncoderConfig::default()).unwrap_err();
    assert!(
        error.to_string().contains("dual-encoder, not detector"),
        "{error}"
    );
}

#[test]
fn manifests_that_no_decoder_could_follow_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let golden = workspace().join("tests/golden/tiny-yolox");
    let text = fs_err::read_to_string(golden.join("model.toml")).unwrap();
    for file in ["model.onnx", "labels.txt"] {
        fs_err::copy(golden.join(file), folder.path().join(file)).unwrap();
    }
    for (from, to, field) in [
        (
            "resize = \"letterbox\"",
            "resize = \"shortest-edge-crop\"",
            "image.resize",
        ),
        (
            "resize = \"letterbox\"",
            "shortest_edge = 80\nresize = \"letterbox\"",
            "image.shortest_edge",
        ),
        (
            "strides = [8, 16, 32]",
            "strides = [8, 0]",
            "detector.strides",
        ),
        ("strides = [8, 16, 32]", "strides = []", "detector.strides"),
        (
            "iou_threshold = 0.45",
            "iou_threshold = nan",
            "detector.iou_threshold",
        ),
        ("iou_threshold = 0.45\n", "", "detector.iou_threshold"),
        (
            "score_threshold = 0.3",
            "score_threshold = nan",
            "detector.score_threshold",
        ),
        (
            "max_detections = 20",
            "max_detections = 0",
            "detector.max_detections",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        fs_err::write(folder.path().join("model.toml"), text.replacen(from, to, 1)).unwrap();
        let error = ModelPackage::open(folder.path()).unwrap_err();
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains(field), "{to}: {cause}");
    }
}
