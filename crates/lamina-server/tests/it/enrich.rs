//! Enrichment with the real binary and the packages of the repository: through the API as clients do it, and through every
//! way of being killed.

use std::path::PathBuf;

use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, Server, until};
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, assert_clean, at_rest, digest, explore_all, get, import, installation, served,
};

/// Every type, by the ids that `list_models` gives.
fn everything(client: &Client, id: &str) -> Value {
    let listed = get(client, &format!("/enrichment/{id}/list_models"));
    let models: serde_json::Map<String, Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .inspect(|model| assert_eq!(model["status"], "Active", "{model}"))
        .map(|model| {
            (
                model["type"].as_str().unwrap().to_owned(),
                model["id"].clone(),
            )
        })
        .collect();
    assert_eq!(models.len(), 6);
    json!({ "enrichment_models": models })
}

pub fn ask(client: &Client, id: &str, body: &Value) -> String {
    let path = format!("/api/v1/dataset/{id}/enrich_dataset");
    let answer = client.post_json(&path, body).unwrap();
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let answer = answer.json().unwrap();
    answer["dataset_id"].as_str().unwrap().to_owned()
}

fn short_lease(home: &Installation, points: Option<&str>) -> Server {
    home.serve(|command| {
        command.args(["--lease", "2s", "--chunk-files", "16"]);
        if let Some(points) = points {
            command.env("FAILPOINTS", points);
        }
    })
    .unwrap()
}

/// What is said about a copy, with ids left out.
fn said(client: &Client, id: &str) -> Vec<String> {
    let mut all = Vec::new();
    for cluster in explore_all(client, id, "threshold=0") {
        for preview in cluster["previews"].as_array().unwrap() {
            let mut labels = preview["labels"].clone();
            if let Some(labels) = labels.as_array_mut() {
                labels.sort_by_key(Value::to_string);
            }
            all.push(format!(
                "{} {} {labels}",
                preview["file_name"], preview["caption"]
            ));
        }
    }
    all.sort();
    all
}

/// Numbers of objects, captions and labels of a copy, from the database's own mouth.
pub fn counts(client: &Client, id: &str) -> (Value, Value) {
    let shown = get(client, &format!("/dataset/{id}"));
    (shown["n_images"].clone(), shown["n_objects"].clone())
}

fn photos(home: &Installation, number: usize) -> PathBuf {
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, number, 0).unwrap();
    folder
}

#[test]
fn every_model_is_applied_and_the_second_time_none_is_run() {
    let home = installation();
    let (_server, client) = served(&home);
    let folder = photos(&home, 40);
    let source = import(&home, &folder, "drawn")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = everything(&client, &source);
    let copy = ask(&client, &source, &body);
    let again = client
        .post_json(&format!("/api/v1/dataset/{source}/enrich_dataset"), &body)
        .unwrap();
    assert_eq!(again.status, 409);
    let dataset = at_rest(&client, &copy);
    assert_eq!(dataset["status_new"], "READY", "{dataset}");
    assert_eq!(
        get(&client, &format!("/dataset/{source}"))["status_new"],
        "READY"
    );
    let context = get(&client, &format!("/enrichment/{copy}/context"));
    assert_eq!(context["status"], "COMPLETED");
    assert_eq!(context["dataset_enrichment_models"], body);
    assert_eq!(
        digest(&client, &copy),
        digest(&client, &source),
        "clusters are shared"
    );
    let all = said(&client, &copy);
    assert!(
        all.iter().all(|line| !line.contains("null")),
        "every picture has a caption and labels: {all:?}"
    );
    // The same pictures again: no model is run, the answers are the same.
    let output = home
        .run(
            "enrich",
            &[
                &source,
                "--models",
                "CAPTION_IMAGES,OBJECT_DETECTION,IMAGE_TAGGING",
                "--wait",
                "--json",
            ],
        )
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    for step in summary["steps"].as_array().unwrap() {
        assert_eq!(step["run"], 0, "{step}");
    }
    let second = summary["dataset_id"].as_str().unwrap();
    assert_eq!(said(&client, second), all);
    assert_eq!(counts(&client, second), counts(&client, &copy));
    assert_clean(&home);
}

/// Every place in the code of an enrichment where the process is made to end.
const POINTS: &[&str] = &[
    "copy_filled",
    "enrich_copy_before_commit",
    "enrich_copy_committed",
    "enrich_pictures_looked_at",
    "enrich_pictures_fenced",
    "enrich_pictures_before_commit",
    "enrich_pictures_committed",
    "enrich_objects_before_commit",
    "enrich_crops_looked_at",
    "enrich_crops_before_commit",
    "enrich_crops_committed",
    "enrich_spaces_committed",
    "generation_built",
    "generation_written",
    "generation_inserted",
    "enrich_ready_before_commit",
    "enrich_ready_committed",
];

#[test]
fn a_server_that_ends_at_each_named_point_of_an_enrichment_finishes_it() {
    let home = installation();
    let folder = photos(&home, 24);
    let source = import(&home, &folder, "drawn")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (server, client) = served(&home);
    let body = everything(&client, &source);
    let undisturbed = ask(&client, &source, &body);
    assert_eq!(at_rest(&client, &undisturbed)["status_new"], "READY");
    let expected = (said(&client, &undisturbed), counts(&client, &undisturbed));
    drop(server);
    for point in POINTS {
        let mut server = short_lease(&home, Some(&format!("{point}=1*panic(kill)")));
        let client = server.client(Some(home.token().unwrap()));
        let copy = ask(&client, &source, &body);
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));
        let server = short_lease(&home, None);
        let client = server.client(Some(home.token().unwrap()));
        let dataset = at_rest(&client, &copy);
        assert_eq!(dataset["status_new"], "READY", "{point}: {dataset}");
        assert_eq!(
            get(&client, &format!("/dataset/{source}"))["status_new"],
            "READY",
            "{point}"
        );
        assert_eq!(
            (said(&client, &copy), counts(&client, &copy)),
            expected,
            "{point}"
        );
        assert_clean(&home);
        let gone = client.delete(&format!("/api/v1/dataset/{copy}")).unwrap();
        assert_eq!(gone.status, 200, "{point}");
        drop(server);
    }
}

#[test]
fn two_workers_share_an_enrichment_and_the_death_of_one_loses_nothing() {
    let home = installation();
    let folder = photos(&home, 60);
    let source = import(&home, &folder, "drawn")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let server = home
        .serve(|command| {
            command.args(["--no-worker"]);
        })
        .unwrap();
    let client = server.client(Some(home.token().unwrap()));
    let worker = || {
        let mut command = home.command("worker");
        command
            .args(["--lease", "2s", "--chunk-files", "8", "--worker-slots", "1"])
            .stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let (mut first, mut second) = (worker(), worker());
    let body = everything(&client, &source);
    let copy = ask(&client, &source, &body);
    until(PATIENCE, "the run to be under way", || {
        let shown = client.get(&format!("/api/v1/dataset/{copy}"))?.json()?;
        Ok((shown["progress"].as_u64() >= Some(10)).then_some(()))
    })
    .unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    let dataset = at_rest(&client, &copy);
    second.kill().unwrap();
    second.wait().unwrap();
    assert_eq!(dataset["status_new"], "READY", "{dataset}");
    assert_eq!(dataset["n_images"], 60);
    assert_clean(&home);
}

#[test]
fn an_aborted_enrichment_stops_and_both_datasets_can_be_used() {
    let home = installation();
    let folder = photos(&home, 60);
    let source = import(&home, &folder, "drawn")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let server = short_lease(&home, None);
    let client = server.client(Some(home.token().unwrap()));
    let body = everything(&client, &source);
    let copy = ask(&client, &source, &body);
    for id in [&source, &copy] {
        let refused = client.delete(&format!("/api/v1/dataset/{id}")).unwrap();
        assert_eq!(refused.status, 409);
    }
    let context = get(&client, &format!("/enrichment/{copy}/context"));
    let context = context["enrichment_context_id"].as_str().unwrap();
    let stopped = client
        .delete(&format!("/api/v1/enrichment/{copy}/{context}/abort"))
        .unwrap();
    assert_eq!(stopped.status, 200);
    assert_eq!(
        get(&client, &format!("/dataset/{copy}"))["status_new"],
        "ERROR"
    );
    assert_eq!(
        get(&client, &format!("/dataset/{source}"))["status_new"],
        "READY"
    );
    let second = ask(&client, &source, &body);
    assert_eq!(at_rest(&client, &second)["status_new"], "READY");
    assert_clean(&home);
}
