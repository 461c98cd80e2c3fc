//! What the tests of the binary share.

use std::path::Path;
use std::time::Duration;

use lamina_testkit::client::Client;
use lamina_testkit::server::{Installation, Server, until};
use serde_json::Value;

/// Deadline for things that take seconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// An installation without data.
pub fn installation() -> Installation {
    Installation::new(env!("CARGO_BIN_EXE_lamina")).unwrap()
}

/// A server on it, and a client with an admin's token.
pub fn served(installation: &Installation) -> (Server, Client) {
    let server = installation.serve(|_| {}).unwrap();
    let client = server.client(Some(installation.token().unwrap()));
    (server, client)
}

/// GET that must answer 200 with JSON.
pub fn get(client: &Client, path: &str) -> Value {
    let answer = client.get(&format!("/api/v1{path}")).unwrap();
    assert_eq!(
        answer.status,
        200,
        "{path}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json().unwrap()
}

/// Waits until a dataset is READY or ERROR; its object then.
pub fn at_rest(client: &Client, id: &str) -> Value {
    until(PATIENCE, "the dataset to be READY", || {
        let dataset = client.get(&format!("/api/v1/dataset/{id}"))?.json()?;
        let status = dataset["status_new"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(matches!(status.as_str(), "READY" | "ERROR").then_some(dataset))
    })
    .unwrap()
}

/// Waits until nothing is being done to a dataset; its object then.
pub fn settled(client: &Client, id: &str) -> Value {
    until(PATIENCE, "the dataset to be at rest", || {
        let dataset = client.get(&format!("/api/v1/dataset/{id}"))?.json()?;
        let status = dataset["status_new"].as_str().unwrap_or_default();
        let is_at_rest = matches!(status, "READY" | "PARTIAL INDEX" | "ERROR");
        Ok(is_at_rest.then(|| dataset.clone()))
    })
    .unwrap()
}

/// Imports a folder through the command line and returns its closing summary.
pub fn import(installation: &Installation, folder: &Path, name: &str) -> Value {
    let path = folder.to_str().unwrap();
    let output = installation
        .run("import", &[path, "--name", name, "--wait", "--json"])
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_str(&text).unwrap()
}

/// Runs `verify --deep`; it must find nothing.
pub fn assert_clean(installation: &Installation) {
    let output = installation.run("verify", &["--deep"]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// All clusters of pictures that an explore call finds.
pub fn explore_all(client: &Client, id: &str, query: &str) -> Vec<Value> {
    clusters(client, id, &format!("entity_type=IMAGES&{query}"))
}

/// One cluster as shown: its size and the names of its previews.
pub type Shown = (u64, Vec<String>);

/// What a dataset answers, with ids that differ from run to run left out: two runs over the same files must agree.
pub fn digest(client: &Client, id: &str) -> Vec<Vec<Shown>> {
    (0..5)
        .map(|level| {
            let clusters = explore_all(client, id, &format!("threshold={level}"));
            clusters.iter().map(shown).collect()
        })
        .collect()
}

fn shown(cluster: &Value) -> Shown {
    let previews = cluster["previews"].as_array().unwrap().iter();
    let names = previews.map(|preview| preview["file_name"].as_str().unwrap().to_owned());
    (cluster["n_images"].as_u64().unwrap(), names.collect())
}

/// What the API says of a dataset, with ids left out: pictures with captions and labels; objects with boxes, captions and
/// confidences; clusters of both.
pub fn everything_said(client: &Client, id: &str) -> Vec<String> {
    let dataset = get(client, &format!("/dataset/{id}"));
    let mut said = vec![format!("{} {}", dataset["n_images"], dataset["n_objects"])];
    for (entity, count) in [("IMAGES", "n_images"), ("OBJECTS", "n_objects")] {
        for level in [0, 2] {
            for cluster in clusters(
                client,
                id,
                &format!("entity_type={entity}&threshold={level}"),
            ) {
                let previews = cluster["previews"].as_array().unwrap();
                let mut members: Vec<String> = previews.iter().map(of_preview).collect();
                members.sort();
                said.push(format!("{entity} {level} {} {members:?}", cluster[count]));
            }
        }
    }
    said.sort();
    said
}

/// All pages of clusters.
fn clusters(client: &Client, id: &str, query: &str) -> Vec<Value> {
    let page = |number: u32| {
        let page = get(
            client,
            &format!("/explore/{id}?{query}&page_number={number}"),
        );
        page["clusters"].as_array().unwrap().clone()
    };
    (0..)
        .map(page)
        .take_while(|page| !page.is_empty())
        .flatten()
        .collect()
}

fn of_preview(preview: &Value) -> String {
    let mut labels = preview["labels"].clone();
    if let Some(labels) = labels.as_array_mut() {
        labels.sort_by_key(Value::to_string);
    }
    let shown = [
        &preview["file_name"],
        &preview["caption"],
        &labels,
        &preview["bounding_box"],
        &preview["confidence"],
    ];
    shown.map(Value::to_string).join(" ")
}
