//! `lamina models bench` as operators run it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use lamina_media::demo::{Scene, encode_jpeg};
use lamina_testkit::server::Installation;
use serde_json::{Value, json};

use crate::models::{install, models, refused, succeed};
use crate::support::installation;

const TINY: &str = "tiny-dual-encoder";
/// Drawn pictures; a calibration needs thirty pairs.
const PICTURES: u64 = 36;

/// Drawn pictures with everything that is known of them, in all the files that a labelled folder may have.
fn labelled(folder: &Path) {
    fs_err::create_dir_all(folder.join("images")).unwrap();
    let mut labels = String::from("file,label,split,xmin,ymin,xmax,ymax\n");
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for number in 0..PICTURES {
        // Far from what the starters were trained on: those are numbered from 0.
        let scene = Scene::new(9_000_000 + number);
        let (picture, things) = scene.draw_with_things(320, 240);
        let name = format!("{number}.jpg");
        let bytes = encode_jpeg(&picture, 90).unwrap();
        fs_err::write(folder.join("images").join(&name), bytes).unwrap();
        for thing in things {
            let [left, top, right, bottom] = thing.bounds;
            labels += &format!("{name},{},test,{left},{top},{right},{bottom}\n", thing.name);
        }
        images.push(json!({ "id": number, "file_name": name }));
        for caption in [format!("a {}", scene.title()), scene.title()] {
            annotations.push(json!({ "image_id": number, "caption": caption }));
        }
    }
    labels += "not-there.jpg,dragon,train,,,,\n0.jpg,unicorn,test,0.1,0.1,0.2,0.2\n";
    fs_err::write(folder.join("labels.csv"), labels).unwrap();
    let captions = json!({ "images": images, "annotations": annotations });
    fs_err::write(folder.join("captions.json"), captions.to_string()).unwrap();
}

fn read(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn bench(home: &Installation, args: &[&str]) -> Value {
    read(&models(home, &[&["bench"], args, &["--json"]].concat()))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn throughput_latency_and_memory_are_measured_for_each_batch_and_side() {
    let home = installation();
    install(&home, TINY);
    let quick = ["--batches", "1,2", "--threads", "1", "--seconds", "0.1"];
    let report = bench(&home, &[&[TINY], quick.as_slice()].concat());
    assert_eq!(report["package"], "tiny-dual-encoder@1");
    let speeds = report["speeds"].as_array().unwrap();
    assert_eq!(speeds.len(), 2);
    for (speed, batch) in speeds.iter().zip([1, 2]) {
        let rows = speed["rows"].as_array().unwrap();
        let sides: Vec<&Value> = rows.iter().map(|row| &row["input"]).collect();
        assert_eq!(sides, ["pictures", "texts"]);
        for row in rows {
            assert_eq!((&row["batch"], &row["threads"]), (&json!(batch), &json!(1)));
            assert!(number(&row["items_per_s"]) > 0.0 && number(&row["cpu_ms"]) > 0.0);
            let mean = number(&row["mean_batch"]);
            assert!((1.0..=f64::from(batch)).contains(&mean), "{row}");
            assert!(batch == 1 || mean > 1.0, "batches are filled: {row}");
            let wait = |name: &str| number(&row["latency"][name]);
            assert!(0.0 < wait("p50_ms") && wait("p50_ms") <= wait("p99_ms"));
            assert!(wait("p99_ms") <= wait("max_ms") && wait("calls") >= 20.0);
            assert!(row["python"].is_null());
        }
        assert_eq!(
            (&speed["busy"]["query"], &speed["busy"]["bulk"]),
            (&json!("texts"), &json!("pictures"))
        );
        assert!(number(&speed["busy"]["bulk_batch_ms"]) > 0.0);
        assert!(number(&speed["peak_resident_mb"]) > number(&speed["model_mb"]));
        assert_eq!(speed["device"], "cpu");
    }
    assert!(report.get("quality").is_none());

    let table = succeed(&home, &[&["bench", TINY], quick.as_slice()].concat());
    for word in ["items/s", "p99 ms", "peak MB", "texts", "a job sends"] {
        assert!(table.contains(word), "{word}: {table}");
    }
}

#[test]
fn another_runtime_is_measured_turn_by_turn_beside_ours() {
    let home = installation();
    install(&home, TINY);
    let python = home.data.path().join("python");
    let script = "#!/bin/sh\n[ -f \"$3\" ] || exit 1\n[ \"$4 $5 $6\" = \"2 1 16\" ] || exit 1\n\
                  echo '{\"version\":\"0.0.1\"}'\nwhile read -r seconds; do echo '{\"items_per_s\":0.5,\"cpu_ms\":3.0}'; done\n";
    fs_err::write(&python, script).unwrap();
    fs_err::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = python.to_str().unwrap();
    let quick = ["--batches", "2", "--threads", "1", "--seconds", "0.05"];
    let asked = [&[TINY, "--python", path], quick.as_slice()].concat();
    let report = bench(&home, &asked);
    let speed = &report["speeds"][0];
    assert_eq!(speed["python_onnxruntime"], "0.0.1");
    assert_eq!(speed["rows"][0]["python"]["items_per_s"], 0.5);
    assert!(
        speed["rows"][1]["python"].is_null(),
        "texts have another way in"
    );
    let table = succeed(&home, &[&["bench"], asked.as_slice()].concat());
    assert!(table.contains("ours/Python"), "{table}");
    let gone = [
        &["bench", TINY, "--python", "/no/such/python"],
        quick.as_slice(),
    ]
    .concat();
    assert!(refused(&home, &gone).contains("cannot be started"));
}

#[test]
fn the_starters_beat_a_trivial_answer_on_a_labelled_folder() {
    let home = installation();
    let folder = home.data.path().join("labelled");
    labelled(&folder);
    let path = folder.to_str().unwrap();
    let quality = |package| {
        let report = bench(&home, &[package, "--photos", path, "--no-speed"]);
        assert!(report["speeds"].as_array().unwrap().is_empty());
        let quality = report["quality"].clone();
        assert_eq!(
            (&quality["pictures"], &quality["unusable"]),
            (&json!(PICTURES), &json!(0))
        );
        eprintln!("{package}: {quality}");
        quality
    };
    let encoder = quality("lamina-starter-encoder");
    let zero = &encoder["zero_shot"];
    assert!(number(&zero["at1"]) > number(&zero["majority"]), "{zero}");
    for side in ["text_to_picture", "picture_to_text", "neighbours"] {
        let ranking = &encoder[side];
        assert!(
            number(&ranking["at5"]) > number(&ranking["chance5"]),
            "{side}: {ranking}"
        );
    }
    let fit = &encoder["calibration"];
    let raw: Vec<f64> = fit["raw"].as_array().unwrap().iter().map(number).collect();
    assert!(raw.len() == 4 && raw.is_sorted_by(|a, b| a < b), "{fit}");
    assert!(number(&fit["matching_within"]) > 0.7, "{fit}");
    assert!(number(&fit["matching_within"]) > number(&fit["others_within"]));

    let detection = &quality("lamina-starter-detector")["detection"];
    assert!(number(&detection["ap50"]) > 0.3, "{detection}");
    assert_eq!(detection["unknown_labels"], json!(["unicorn"]));
    let captions = &quality("lamina-starter-captioner")["captions"];
    for figure in ["bleu4", "cider_d"] {
        assert!(
            number(&captions[figure]) > number(&captions["trivial"][figure]),
            "{captions}"
        );
    }
    let tags = &quality("lamina-starter-tagger")["tags"];
    assert!(number(&tags["f1"]) > number(&tags["trivial_f1"]), "{tags}");

    let said = succeed(
        &home,
        &[
            "bench",
            "lamina-starter-encoder",
            "--photos",
            path,
            "--no-speed",
            "--pictures",
            "36",
        ],
    );
    for word in ["zero-shot accuracy", "recall@1", "[calibration]", "raw = ["] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn folders_of_other_kinds_are_read_and_none_are_refused() {
    let home = installation();
    install(&home, "tiny-d-fine");
    install(&home, TINY);
    let classes = home.data.path().join("classes");
    for (label, seed) in [
        ("boat", 1),
        ("boat", 2),
        ("dark house", 3),
        ("dark house", 4),
    ] {
        let folder = classes.join(label);
        fs_err::create_dir_all(&folder).unwrap();
        let (picture, _) = Scene::new(seed).draw_with_things(64, 64);
        let bytes = encode_jpeg(&picture, 90).unwrap();
        fs_err::write(folder.join(format!("{seed}.JPG")), bytes).unwrap();
    }
    let path = classes.to_str().unwrap();
    let of = |package: &str, path: &str| {
        bench(&home, &[package, "--photos", path, "--no-speed"])["quality"].clone()
    };
    let found = of(TINY, path);
    assert_eq!(
        (&found["pictures"], &found["zero_shot"]["labels"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(found["zero_shot"]["majority"], 0.5);
    assert!(found.get("calibration").is_none(), "too few pairs: {found}");
    // Where objects are was not said, so a detector cannot be measured.
    assert!(of("tiny-d-fine", path).get("detection").is_none());
    let said = succeed(
        &home,
        &["bench", "tiny-d-fine", "--photos", path, "--no-speed"],
    );
    assert!(said.contains("nothing is known of them"), "{said}");

    // Objects as COCO has them.
    fs_err::copy(classes.join("boat/1.JPG"), classes.join("1.jpg")).unwrap();
    let instances = json!({
        "images": [{ "id": 7, "file_name": "1.jpg", "width": 64, "height": 64 }],
        "categories": [{ "id": 3, "name": "dog" }],
        "annotations": [
            { "image_id": 7, "category_id": 3, "bbox": [8, 8, 16, 16], "iscrowd": 0 },
            { "image_id": 7, "category_id": 3, "bbox": [40, 8, 16, 16] },
        ],
    });
    fs_err::write(classes.join("instances.json"), instances.to_string()).unwrap();
    let found = of("tiny-d-fine", path);
    assert_eq!(found["pictures"], 1, "what the files say counts: {found}");
    assert!(found["detection"]["classes"]["dog"].is_number(), "{found}");

    let empty = home.data.path().join("empty");
    fs_err::create_dir_all(&empty).unwrap();
    let lost = home.data.path().join("lost");
    fs_err::create_dir_all(&lost).unwrap();
    fs_err::write(lost.join("labels.csv"), "file,label\ngone.jpg,boat\n").unwrap();
    for (folder, word) in [
        (empty.to_str().unwrap(), "has neither"),
        (lost.to_str().unwrap(), "gone.jpg is not in"),
        ("/no/such/folder", "is no folder"),
    ] {
        let text = refused(&home, &["bench", TINY, "--photos", folder]);
        assert!(text.contains(word), "{text}");
    }
    for (args, word) in [
        (["--batches", "0"], "--batches 0 is not possible"),
        (["--batches", "500"], "1 to 4 are"),
        (["--threads", "9999"], "--threads 9999 is not possible"),
        (["--seconds", "0"], "above 0"),
    ] {
        let text = refused(&home, &[&["bench", TINY], args.as_slice()].concat());
        assert!(text.contains(word), "{text}");
    }
    let weights = home
        .data
        .path()
        .join("models")
        .join(TINY)
        .join("vision_model.onnx");
    fs_err::write(weights, b"rot").unwrap();
    assert!(refused(&home, &["bench", TINY]).contains("cannot be used"));
}
