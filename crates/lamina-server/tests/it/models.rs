//! `lamina models` as operators run it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use lamina_testkit::hub::{FakeHub, File, onnx, status};
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, until};
use serde_json::Value;

use crate::support::{PATIENCE, assert_clean, at_rest, get, import, installation};

const TINY: &str = "tiny-dual-encoder@1";

pub fn models(home: &Installation, args: &[&str]) -> Output {
    home.run("models", args).unwrap()
}

fn said(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub fn succeed(home: &Installation, args: &[&str]) -> String {
    let output = models(home, args);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    said(&output)
}

pub fn refused(home: &Installation, args: &[&str]) -> String {
    let output = models(home, args);
    assert!(!output.status.success(), "{args:?}: {}", said(&output));
    said(&output)
}

pub fn listing(home: &Installation) -> Value {
    let output = models(home, &["list", "--json"]);
    serde_json::from_slice(&output.stdout).unwrap()
}

pub fn slot<'a>(listing: &'a Value, id: &str) -> &'a Value {
    let mut rows = listing["slots"].as_array().unwrap().iter();
    rows.find(|row| row["slot"] == id).unwrap()
}

/// Puts a package of the repository's tests among the installed ones.
pub fn install(home: &Installation, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name);
    let to = home.data.path().join("models").join(name);
    fs_err::create_dir_all(&to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs_err::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

#[test]
fn the_list_makes_no_database_and_shows_what_can_be_asked_for() {
    let home = installation();
    let listing = listing(&home);
    let index = slot(&listing, "INDEX");
    assert_eq!(index["package"], "lamina-starter-encoder@1");
    assert!(
        index["active"] == true && index["verified"] == true,
        "{index}"
    );
    assert_eq!(listing["slots"].as_array().unwrap().len(), 8);
    assert_eq!(listing["catalog"].as_array().unwrap().len(), 21);
    assert!(!home.data.path().join("postgres").exists());
    let table = said(&models(&home, &["list"]));
    assert!(
        table.contains("DFN5B-CLIP-ViT-H-14-384-images") && table.contains("Active"),
        "{table}"
    );
}

#[test]
fn a_pull_that_is_killed_leaves_nothing_installed_and_the_next_goes_on() {
    let home = installation();
    let bytes = onnx("killed", 400_000);
    let (served, is_whole) = (bytes.clone(), Arc::new(AtomicBool::new(false)));
    let (half_sent, is_half_sent) = mpsc::channel();
    let whole = Arc::clone(&is_whole);
    let hub = FakeHub::new(move |request, stream| {
        if whole.load(Ordering::Relaxed) {
            return File::new(&served).send(request, stream);
        }
        let file = File {
            cut_after: Some(200_000),
            ..File::new(&served)
        };
        file.send(request, stream);
        stream.flush().unwrap();
        half_sent.send(()).unwrap();
        // The connection stays open and nothing more comes: the client waits when it is killed.
        std::thread::park();
    });
    let mirror = ["pull", "rf-detr-base-coco", "--json", "--mirror", &hub.base];
    let mut child = home
        .command("models")
        .args(mirror)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    is_half_sent.recv_timeout(PATIENCE).unwrap();
    let part = home
        .data
        .path()
        .join("models/.pull-rf-detr-base-coco/model.onnx.part");
    let written = || fs_err::metadata(&part).map_or(0, |found| found.len());
    until(PATIENCE, "bytes on disk", || {
        Ok((written() > 0).then_some(()))
    })
    .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let left = written();
    assert!(left > 0 && left <= 200_000, "{left}");
    assert_eq!(listing(&home)["packages"].as_array().unwrap().len(), 0);

    is_whole.store(true, Ordering::Relaxed);
    let output = models(&home, &mirror);
    assert!(output.status.success(), "{}", said(&output));
    let pulled: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(pulled["files"][0]["pinned"], false);
    let package = pulled["package"].as_str().unwrap();
    assert!(package.starts_with("rf-detr-base-coco@1-"), "{package}");
    let starts: Vec<usize> = hub
        .requests()
        .iter()
        .map(|request| request.range_start())
        .collect();
    assert_eq!(
        starts,
        [0, usize::try_from(left).unwrap()],
        "went on where it was killed"
    );
    succeed(&home, &["verify", package]);
    let left: Vec<_> = fs_err::read_dir(home.data.path().join("models"))
        .unwrap()
        .collect();
    let folders = left
        .into_iter()
        .filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), 1, "no staging folder is left");
    let removed = succeed(&home, &["remove", "rf-detr-base-coco"]);
    assert!(removed.contains(package), "{removed}");
}

#[test]
fn a_first_use_is_printed_and_troubles_say_what_to_do() {
    let home = installation();
    let bytes = onnx("printed", 900);
    let hub = FakeHub::new(move |request, stream| File::new(&bytes).send(request, stream));
    let text = succeed(&home, &["pull", "rf-detr-base-coco", "--mirror", &hub.base]);
    for word in [
        "Apache-2.0",
        "recorded now",
        "model.onnx",
        "rf-detr-base-coco@1-",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let wrong = refused(&home, &["pull", "d-fine-n-coco", "--mirror", &hub.base]);
    assert!(
        wrong.contains("expected") && wrong.contains("nothing was installed"),
        "{wrong}"
    );
    let closed = FakeHub::new(|_, stream| status(stream, 401, ""));
    let closed = refused(&home, &["pull", "d-fine-n-coco", "--mirror", &closed.base]);
    assert!(closed.contains("HF_TOKEN"), "{closed}");
    let unknown = refused(&home, &["pull", "gpt", "--mirror", &hub.base]);
    assert!(unknown.contains("the catalog has no"), "{unknown}");
    assert_eq!(listing(&home)["packages"].as_array().unwrap().len(), 1);
}

#[test]
fn a_slot_takes_only_packages_that_can_answer_to_it() {
    let home = installation();
    install(&home, "tiny-dual-encoder");
    install(&home, "tiny-d-fine");
    install(&home, "tiny-text-encoder");
    let detector = "vl_object_detector_v00";
    for (slot, package) in [
        ("INDEX", "tiny-d-fine"),
        (detector, TINY),
        ("CAPTION_TEXT", TINY),
        ("vl_image_tagger_v00", "tiny-text-encoder"),
    ] {
        let text = refused(&home, &["bind", slot, package]);
        assert!(text.contains("is of the family"), "{text}");
    }
    assert!(refused(&home, &["bind", "no_such_slot", TINY]).contains("the slots are"));
    assert!(refused(&home, &["bind", detector, "no-such-package"]).contains("was not found"));
    let odd = refused(
        &home,
        &["bind", detector, "tiny-d-fine", "--set", "beams=3"],
    );
    assert!(odd.contains("no parameter"), "{odd}");

    succeed(
        &home,
        &[
            "bind",
            detector,
            "tiny-d-fine",
            "--set",
            "score_threshold=0.25",
        ],
    );
    let row = slot(&listing(&home), detector).clone();
    assert_eq!(row["parameters"], "{\"score_threshold\":0.25}");
    assert!(row["active"] == true, "{row}");
    let bound = refused(&home, &["remove", "tiny-d-fine"]);
    assert!(bound.contains(detector), "{bound}");

    let weights = home.data.path().join("models/tiny-d-fine/model.onnx");
    fs_err::write(&weights, b"rot").unwrap();
    let row = slot(&listing(&home), detector).clone();
    assert!(row["active"] == false && row["verified"] == false, "{row}");
    let damaged = refused(&home, &["bind", detector, "tiny-d-fine"]);
    assert!(damaged.contains("cannot be used"), "{damaged}");
    assert!(refused(&home, &["verify"]).contains("FAIL"));
    succeed(&home, &["bind", detector]);
    assert_eq!(
        slot(&listing(&home), detector)["package"],
        "lamina-starter-detector@1"
    );
}

#[test]
fn binding_another_encoder_during_an_ingest_loses_nothing_and_counts_from_the_next_dataset_on() {
    let home = installation();
    install(&home, "tiny-dual-encoder");
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 60, 0).unwrap();
    // A moment for each chunk, so that the slot is bound anew between two of them.
    let server = home
        .serve(|command| {
            command
                .env("LAMINA_CHUNK_FILES", "4")
                .env("LAMINA_WORKER_SLOTS", "1")
                .env("FAILPOINTS", "ingest_chunk_fenced=sleep(150)");
        })
        .unwrap();
    let client = server.client(Some(home.token().unwrap()));
    let begun = home
        .run(
            "import",
            &[folder.to_str().unwrap(), "--name", "before", "--json"],
        )
        .unwrap();
    let begun: Value = serde_json::from_slice(&begun.stdout).unwrap();
    let first = begun["dataset_id"].as_str().unwrap();
    until(PATIENCE, "the first chunk", || {
        let dataset = get(&client, &format!("/dataset/{first}"));
        Ok((dataset["progress"].as_f64().unwrap_or_default() > 0.0).then_some(()))
    })
    .unwrap();
    succeed(&home, &["bind", "INDEX", "tiny-dual-encoder"]);
    let dataset = get(&client, &format!("/dataset/{first}"));
    assert_eq!(
        dataset["status_new"], "INDEXING",
        "bound too late to show anything: {dataset}"
    );
    assert_eq!(at_rest(&client, first)["status_new"], "READY");

    let after = import(&home, &folder, "after");
    assert_eq!(after["status"], "READY", "{after}");
    assert_clean(&home);
    // Both can still be searched by text, each by the model that made it.
    for id in [first, after["dataset_id"].as_str().unwrap()] {
        let found = get(
            &client,
            &format!("/explore/{id}?threshold=0&entity_type=IMAGES&caption=circle"),
        );
        assert!(found["clusters"].is_array(), "{found}");
    }
    succeed(&home, &["bind", "INDEX"]);
    let used = refused(&home, &["remove", TINY]);
    assert!(used.contains("1 datasets were made with"), "{used}");
    succeed(&home, &["remove", TINY, "--force"]);
    get(
        &client,
        &format!("/explore/{first}?threshold=0&entity_type=IMAGES&caption=circle"),
    );
}
