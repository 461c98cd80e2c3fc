//! Slots that get another package while the server runs.

use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, until};
use lamina_types::{CAPTION_TEXT_SLOT, INDEX_SLOT, Slot};
use serde_json::Value;

use crate::enrich::{ask, counts};
use crate::models::{install, listing, models, slot, succeed};
use crate::support::{PATIENCE, assert_clean, at_rest, digest, get, import, installation, served};

const DETECTOR: &str = "vl_object_detector_v00";
const PICTURES: usize = 24;

#[test]
fn a_fresh_start_has_every_slot_bound_and_active() {
    let home = installation();
    let (_server, client) = served(&home);
    let listing = listing(&home);
    let ids = [INDEX_SLOT, CAPTION_TEXT_SLOT]
        .into_iter()
        .chain(Slot::ALL.iter().map(|slot| slot.id));
    let mut count = 0;
    for id in ids {
        let row = slot(&listing, id);
        assert!(row["package"].is_string(), "{row}");
        for what in ["installed", "verified", "active"] {
            assert!(
                row[what] == true,
                "{id} is not {what}: {row}; is this after `make setup`?"
            );
        }
        assert!(
            row["problem"].is_null() && row["licence"].is_string(),
            "{row}"
        );
        count += 1;
    }
    assert_eq!(listing["slots"].as_array().unwrap().len(), count);
    assert!(models(&home, &["list"]).status.success());
    // The clients' view of the same.
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 4, 0).unwrap();
    let id = import(&home, &folder, "few")["dataset_id"].clone();
    let path = format!("/enrichment/{}/list_models", id.as_str().unwrap());
    let offered = get(&client, &path);
    for known in Slot::ALL {
        let mut offered = offered.as_array().unwrap().iter();
        let model = offered.find(|model| model["id"] == known.id).unwrap();
        assert_eq!(model["status"], "Active", "{model}");
    }
}

/// Applies the detector of the moment through the command line; the copy, and how often models were run for it.
fn detected(home: &Installation, source: &str) -> (String, u64) {
    let output = home
        .run(
            "enrich",
            &[source, "--models", "OBJECT_DETECTION", "--wait", "--json"],
        )
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let runs = summary["steps"].as_array().unwrap().iter();
    let run = runs.map(|step| step["run"].as_u64().unwrap()).sum();
    (summary["dataset_id"].as_str().unwrap().to_owned(), run)
}

/// Everything that a client sees of a dataset: clusters of pictures at all levels, and its objects.
fn seen(client: &Client, id: &str) -> (Vec<Vec<crate::support::Shown>>, (Value, Value)) {
    (digest(client, id), counts(client, id))
}

#[test]
fn binding_another_detector_during_an_enrichment_loses_nothing_and_old_outputs_stay() {
    let home = installation();
    install(&home, "tiny-d-fine");
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, PICTURES, 0).unwrap();
    // A moment for each chunk, so that the slot is bound anew between two of them.
    let server = home
        .serve(|command| {
            command
                .env("LAMINA_CHUNK_FILES", "4")
                .env("LAMINA_WORKER_SLOTS", "1")
                .env("FAILPOINTS", "enrich_pictures_fenced=sleep(400)");
        })
        .unwrap();
    let client = server.client(Some(home.token().unwrap()));
    let imported = import(&home, &folder, "drawn");
    let source = imported["dataset_id"].as_str().unwrap();
    let models = serde_json::json!({ "enrichment_models": { "OBJECT_DETECTION": DETECTOR } });
    let first = ask(&client, source, &models);
    until(PATIENCE, "the first chunk", || {
        let dataset = get(&client, &format!("/dataset/{first}"));
        Ok((dataset["progress"].as_f64().unwrap_or_default() > 0.0).then_some(()))
    })
    .unwrap();
    // Of random weights few objects are so sure, so that not much is left to do with them.
    let sure = ["--set", "score_threshold=0.9"];
    succeed(
        &home,
        &[["bind", DETECTOR, "tiny-d-fine"].as_slice(), &sure].concat(),
    );
    let dataset = get(&client, &format!("/dataset/{first}"));
    assert_ne!(
        dataset["status_new"], "READY",
        "bound too late to show anything: {dataset}"
    );
    assert_eq!(at_rest(&client, &first)["status_new"], "READY");
    let before = seen(&client, &first);

    // The next one is the new package's, without a restart of the server that runs it.
    let (second, run) = detected(&home, source);
    assert!(
        run >= PICTURES as u64,
        "something of the other package was taken for its own: {run}"
    );
    assert_ne!(counts(&client, &second), before.1);
    assert_eq!(seen(&client, &first), before, "the old outputs stay");

    // And with the old package back, nothing is left to do: the run that was under way kept to it to its end.
    succeed(&home, &["bind", DETECTOR]);
    let (third, run) = detected(&home, source);
    assert_eq!(run, 0);
    assert_eq!(counts(&client, &third), before.1);
    assert_clean(&home);
}
