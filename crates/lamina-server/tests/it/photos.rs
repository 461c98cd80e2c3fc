//! How well photos are found by what people wrote about them, asked as clients ask: 111 photos with five captions each. Skipped where
//! the material is not at hand.

use std::collections::HashMap;
use std::path::Path;

use lamina_testkit::client::{Client, FormFile};
use lamina_testkit::server::until;
use lamina_testkit::shared::{make_package, shared};
use serde_json::Value;

use crate::models::succeed;
use crate::support::{PATIENCE, explore_all, get, import, installation, served};

/// Photos that are among the first so many count as found.
const FIRST: usize = 10;

/// What the reference implementation of the same weights finds with Pillow's resize; one photo is 0.009.
const REFERENCE: f64 = 0.748;

/// The dual encoder that was trained on photos like these.
const MANIFEST: &str = r#"
name = "tiny-photos"
version = "1"
task = "image-text-embedding"
family = "dual-encoder"
licence = "research"
description = "For this test."
source = "test material"
dimension = 256
image = { size = 224, resize = "stretch", filter = "bilinear", mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }
text = { max_length = 32, pad_id = 1, pad_to_max = false, attention_mask = true, prefix = "" }
batch = { max_batch = 4 }

[index]
cluster_distances = [0.05, 0.1, 0.2, 0.3, 0.4]
anchor_distance = 0.3
outlier_distance = 0.6
duplicate_similarity = 0.97
"#;
const FILES: [(&str, &str); 3] = [
    ("vision_model.onnx", "vision"),
    ("text_model.onnx", "text"),
    ("tokenizer.json", "tokenizer"),
];

/// Captions by the name of their photo.
fn captions(photos: &Path) -> HashMap<String, Vec<String>> {
    let text = fs_err::read_to_string(photos.join("captions.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut by_id: HashMap<i64, Vec<String>> = HashMap::new();
    for row in document["annotations"].as_array().unwrap() {
        let of = by_id.entry(row["image_id"].as_i64().unwrap()).or_default();
        of.push(row["caption"].as_str().unwrap().trim().to_owned());
    }
    let images = document["images"].as_array().unwrap().iter();
    images
        .map(|row| {
            let name = row["file_name"].as_str().unwrap().to_owned();
            (name, by_id.remove(&row["id"].as_i64().unwrap()).unwrap())
        })
        .collect()
}

/// Share of photos that are among the first that one of their captions finds.
fn recall(client: &Client, id: &str, captions: &HashMap<String, Vec<String>>, which: usize) -> f64 {
    let mut hits = 0;
    for (name, texts) in captions {
        let text: String = form_urlencoded::byte_serialize(texts[which].as_bytes()).collect();
        let query = format!("threshold=0&textual_similarity_threshold=2&caption={text}");
        let mut found: Vec<(f64, String)> = Vec::new();
        for cluster in explore_all(client, id, &query) {
            let previews = cluster["previews"].as_array().unwrap();
            assert_eq!(cluster["n_images"], previews.len(), "all are shown");
            found.extend(previews.iter().map(|preview| {
                let name = preview["file_name"].as_str().unwrap().to_owned();
                (preview["relevance_score"].as_f64().unwrap(), name)
            }));
        }
        assert_eq!(
            found.len(),
            captions.len(),
            "everything is within that distance"
        );
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        hits += usize::from(found.iter().take(FIRST).any(|(_, other)| other == name));
    }
    hits as f64 / captions.len() as f64
}

/// Gives every photo its first caption.
fn say(client: &Client, id: &str, captions: &HashMap<String, Vec<String>>) {
    let mut table = "filename,caption\n".to_owned();
    for (name, texts) in captions {
        table.push_str(&format!("{name},\"{}\"\n", texts[0].replace('"', "\"\"")));
    }
    let file = FormFile {
        field: "files",
        file_name: "image_annotations.csv",
        bytes: table.as_bytes(),
    };
    let path = format!("/api/v1/dataset/{id}/annotations");
    let begun = client.post_files(&path, &[file]).unwrap().json().unwrap();
    let report = format!(
        "/dataset/{id}/annotations/{}",
        begun["id"].as_str().unwrap()
    );
    let report = until(PATIENCE, "the captions to be taken in", || {
        let report = get(client, &report);
        let is_over = matches!(report["status"].as_str(), Some("COMPLETED" | "FAILED"));
        Ok(is_over.then_some(report))
    })
    .unwrap();
    assert_eq!(report["captions"], captions.len(), "{report}");
}

#[test]
fn photos_are_found_by_captions_as_the_reference_finds_them() {
    let (Some(weights), Some(photos)) =
        (shared("models/lamina-tiny-clip"), shared("photos/coco-cc"))
    else {
        return;
    };
    let has_sentences = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../.runtime/models/all-minilm-l6-v2")
        .is_dir();
    let home = installation();
    let to = home.data.path().join("models/tiny-photos");
    make_package(&to, &weights, &FILES, MANIFEST).unwrap();
    let (_server, client) = served(&home);
    succeed(&home, &["bind", "INDEX", "tiny-photos"]);
    let summary = import(&home, &photos.join("images"), "photos");
    let id = summary["dataset_id"].as_str().unwrap();
    let captions = captions(&photos);
    assert_eq!(summary["n_images"], captions.len());
    let seen = recall(&client, id, &captions, 0);
    println!(
        "caption to photo, recall@{FIRST}: {seen:.3} of {}",
        captions.len()
    );
    assert!((seen - REFERENCE).abs() <= 0.01 && seen >= 0.70, "{seen}");
    if !has_sentences {
        println!("the rest is skipped: no sentence encoder");
        return;
    }
    say(&client, id, &captions);
    let said = recall(&client, id, &captions, 1);
    println!(
        "caption to caption, recall@{FIRST}: {said:.3} of {}",
        captions.len()
    );
    assert!(said >= 0.75, "{said}");
}
