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

/// All pages of an explore call, joined: (file name, score) of every preview.
pub fn explore_all(client: &Client, id: &str, query: &str) -> Vec<Value> {
    let mut clusters = Vec::new();
    for page in 0.. {
        let answer = get(
            client,
            &format!("/explore/{id}?entity_type=IMAGES&page_number={page}&{query}"),
        );
        let found = answer["clusters"].as_array().unwrap().clone();
        if found.is_empty() {
            break;
        }
        clusters.extend(found);
    }
    clusters
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
