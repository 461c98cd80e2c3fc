//! What a detector is worth end to end: real photos, real weights, boxes and confidences as the API shows them, and EXIF
//! turns in between. Photos and weights are not part of the repository; without them the test says so and passes.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use lamina_inference::{FoundObject, LabelledPicture, TrueObject, detection_quality};
use lamina_media::{DecodeLimits, Picture, PictureFormat, decode, demo};
use lamina_testkit::client::Client;
use lamina_testkit::server::until;
use lamina_testkit::shared::{make_package, shared};
use lamina_types::BoundingBox;
use serde_json::{Value, json};

use crate::support::{assert_clean, get, import, installation, served};

/// The package, apart from its files.
const MANIFEST: &str = r#"
name = "femto"
version = "1"
task = "object-detection"
family = "detector"
licence = "Apache-2.0"
description = "Small detector of the 80 classes of COCO."
source = "test"
image = { size = 416, resize = "stretch", filter = "bilinear", mean = [0.0, 0.0, 0.0], std = [1.0, 1.0, 1.0] }
detector = { layout = "detr", score_threshold = 0.5 }
batch = { max_batch = 16 }
"#;

/// Least confidence of an object in an ordinary run, and the average precision that the weights have with it.
/// `DETECTION_THRESHOLD=0.001` counts what evaluations count, which is thousands of objects and minutes more.
const USUAL: (f64, f64) = (0.3, 0.25);

/// Thousands of objects on a busy machine, and no end of patience for them.
const HOURS: Duration = Duration::from_secs(7_200);

/// Average precision when everything counts that scores at all.
const LEAST_AP: f64 = 0.36;

/// A JPEG that shows the same upright picture through an EXIF orientation of 2 to 8.
fn turned(picture: &Picture, orientation: u16) -> Vec<u8> {
    let (width, height) = picture.pixel_size();
    let (width, height) = (width as usize, height as usize);
    let (across, down) = if orientation >= 5 {
        (height, width)
    } else {
        (width, height)
    };
    let mut rgb = vec![0; across * down * 3];
    for (at, pixel) in picture.pixels().as_chunks::<3>().0.iter().enumerate() {
        let (x, y) = (at % width, at / width);
        let (x, y) = match orientation {
            2 => (across - 1 - x, y),
            3 => (across - 1 - x, down - 1 - y),
            4 => (x, down - 1 - y),
            5 => (y, x),
            6 => (y, down - 1 - x),
            7 => (across - 1 - y, down - 1 - x),
            _ => (across - 1 - y, x),
        };
        let place = (y * across + x) * 3;
        rgb[place..place + 3].copy_from_slice(pixel);
    }
    let stored = Picture::from_rgb(PictureFormat::Jpeg, across as u32, down as u32, rgb).unwrap();
    let jpeg = demo::encode_jpeg(&stored, 95).unwrap();
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(orientation.to_be_bytes());
    exif.extend([0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap();
    let head = [&[0xFF, 0xD8, 0xFF, 0xE1][..], &length.to_be_bytes(), &exif];
    [&head.concat()[..], &jpeg[2..]].concat()
}

/// Every photo as it is and turned; what is there by the name of the file.
fn photos(from: &Path, to: &Path) -> BTreeMap<String, Vec<TrueObject>> {
    let text = fs_err::read_to_string(from.join("instances.json")).unwrap();
    let instances: Value = serde_json::from_str(&text).unwrap();
    let list = |name: &str| instances[name].as_array().unwrap();
    let names: BTreeMap<u64, &str> = list("categories")
        .iter()
        .map(|class| {
            (
                class["id"].as_u64().unwrap(),
                class["name"].as_str().unwrap(),
            )
        })
        .collect();
    fs_err::create_dir_all(to).unwrap();
    let mut all = BTreeMap::new();
    for (number, image) in list("images").iter().enumerate() {
        let name = image["file_name"].as_str().unwrap();
        let bytes = fs_err::read(from.join("images").join(name)).unwrap();
        let picture = decode(&bytes, &DecodeLimits::default()).unwrap();
        let (width, height) = picture.pixel_size();
        let there: Vec<TrueObject> = list("annotations")
            .iter()
            .filter(|object| object["image_id"] == image["id"])
            .map(|object| TrueObject {
                label: names[&object["category_id"].as_u64().unwrap()].to_owned(),
                region: BoundingBox::from_pixels(
                    serde_json::from_value(object["bbox"].clone()).unwrap(),
                    width,
                    height,
                )
                .unwrap(),
                is_crowd: object["iscrowd"] != 0,
            })
            .collect();
        let orientation = 2 + (number % 7) as u16;
        fs_err::write(to.join(name), &bytes).unwrap();
        let copy = format!("turned-{orientation}-{name}");
        fs_err::write(to.join(&copy), turned(&picture, orientation)).unwrap();
        all.insert(name.to_owned(), there.clone());
        all.insert(copy, there);
    }
    all
}

/// All objects of a dataset, by the name of the file: clusters page by page, and the members of each page by page.
fn objects(client: &Client, id: &str) -> BTreeMap<String, Vec<FoundObject>> {
    let mut all: BTreeMap<String, Vec<FoundObject>> = BTreeMap::new();
    let mut seen = HashSet::new();
    let query = "entity_type=OBJECTS&threshold=4";
    for page in 0.. {
        let clusters = get(client, &format!("/explore/{id}?{query}&page_number={page}"));
        let clusters = clusters["clusters"].as_array().unwrap().clone();
        if clusters.is_empty() {
            break;
        }
        for cluster in clusters {
            let cluster = cluster["cluster_id"].as_str().unwrap().to_owned();
            for page in 0.. {
                let path = format!(
                    "/explore/{id}/similarity_cluster/{cluster}?{query}&page_number={page}"
                );
                let members = get(client, &path);
                let members = members["previews"].as_array().unwrap();
                if members.is_empty() {
                    break;
                }
                for member in members {
                    assert!(seen.insert(member["media_id"].to_string()), "{member}");
                    let name = member["file_name"].as_str().unwrap().to_owned();
                    all.entry(name).or_default().push(found(member));
                }
            }
        }
    }
    all
}

fn found(preview: &Value) -> FoundObject {
    let side = |name: &str| preview["bounding_box"][name].as_f64().unwrap();
    let [x, y, width, height] = ["x", "y", "width", "height"].map(side);
    FoundObject {
        label: preview["labels"][0].as_str().unwrap().to_owned(),
        region: BoundingBox::from_fractions(x, y, width, height).unwrap(),
        confidence: preview["confidence"].as_f64().unwrap() as f32,
    }
}

#[test]
fn what_a_detector_finds_comes_through_the_api_as_good_as_it_was() {
    let (Some(weights), Some(photos_with_boxes)) =
        (shared("models/deimv2-femto-coco"), shared("photos/coco-cc"))
    else {
        return;
    };
    let asked = std::env::var("DETECTION_THRESHOLD").ok();
    let (threshold, least) = match asked.and_then(|text| text.parse::<f64>().ok()) {
        Some(threshold) if threshold <= 0.001 => (threshold, LEAST_AP),
        Some(threshold) => (threshold, 0.0),
        None => USUAL,
    };
    let home = installation();
    let to = home.data.path().join("models/femto");
    let files = [("model.onnx", "model"), ("labels.txt", "labels")];
    make_package(&to, &weights, &files, MANIFEST).unwrap();
    let set = format!("score_threshold={threshold}");
    let args = ["bind", "vl_object_detector_v00", "femto", "--set", &set];
    assert!(home.run("models", &args).unwrap().status.success());
    let folder = home.data.path().join("photos");
    let there = photos(&photos_with_boxes, &folder);
    let (_server, client) = served(&home);
    let source = import(&home, &folder, "photos")["dataset_id"].clone();
    let body = json!({ "enrichment_models": { "OBJECT_DETECTION": "vl_object_detector_v00" } });
    let path = format!(
        "/api/v1/dataset/{}/enrich_dataset",
        source.as_str().unwrap()
    );
    let copy = client.post_json(&path, &body).unwrap().json().unwrap();
    let copy = copy["dataset_id"].as_str().unwrap();
    let dataset = until(HOURS, "the copy to be READY", || {
        let dataset = get(&client, &format!("/dataset/{copy}"));
        let is_at_rest = ["READY", "ERROR"]
            .map(Value::from)
            .contains(&dataset["status_new"]);
        Ok(is_at_rest.then_some(dataset))
    })
    .unwrap();
    assert_eq!(dataset["status_new"], "READY", "{dataset}");

    let mut shown = objects(&client, copy);
    let number: usize = shown.values().map(Vec::len).sum();
    assert_eq!(dataset["n_objects"], number);
    let mut by_half = [Vec::new(), Vec::new()];
    for (name, truth) in there {
        let found = shown.remove(&name).unwrap_or_default();
        let half = usize::from(name.starts_with("turned-"));
        by_half[half].push(LabelledPicture { truth, found });
    }
    assert!(shown.is_empty(), "objects of pictures that nobody gave");
    for (what, half) in ["as they are", "turned"].iter().zip(&by_half) {
        let quality = detection_quality(half).unwrap();
        eprintln!(
            "{} photos {what}, threshold {threshold}: AP {:.4}, AP50 {:.4}, AP75 {:.4}, recall {:.4}",
            half.len(),
            quality.ap,
            quality.ap50,
            quality.ap75,
            quality.recall
        );
        assert!(quality.ap >= least, "{what}: {}", quality.ap);
    }
    eprintln!("{number} objects");
    assert_clean(&home);
}
