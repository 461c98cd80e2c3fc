//! Media added to an enriched dataset, and kill -9 while models look at them: captions, labels and objects as if they had been there
//! from the beginning.

use lamina_testkit::client::Client;
use lamina_testkit::pictures::{self, picture};
use lamina_testkit::server::{Installation, Server};
use serde_json::{Map, Value, json};

use crate::changes::send;
use crate::support::{
    PATIENCE, assert_clean, at_rest, everything_said, get, import, installation, settled,
};

/// Where the process is made to end.
const POINTS: &[&str] = &[
    "add_ready_committed",
    "enrich_pictures_before_commit",
    "enrich_objects_before_commit",
    "enrich_crops_before_commit",
    "enrich_spaces_committed",
    "add_enriched_before_commit",
    "add_enriched_committed",
];

fn serve(home: &Installation, point: Option<&str>) -> Server {
    home.serve(|command| {
        command.args(["--lease", "2s", "--chunk-files", "8"]);
        if let Some(point) = point {
            command.env("FAILPOINTS", format!("{point}=1*panic(kill)"));
        }
    })
    .unwrap()
}

/// A copy with everything that is offered applied to it.
fn enriched(client: &Client, source: &str) -> String {
    let listed = get(client, &format!("/enrichment/{source}/list_models"));
    let models: Map<String, Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            let kind = model["type"].as_str().unwrap().to_owned();
            (kind, model["id"].clone())
        })
        .collect();
    let path = format!("/api/v1/dataset/{source}/enrich_dataset");
    let asked = json!({ "enrichment_models": models });
    let answer = client.post_json(&path, &asked).unwrap().json().unwrap();
    let copy = answer["dataset_id"].as_str().unwrap().to_owned();
    assert_eq!(at_rest(client, &copy)["status_new"], "READY");
    copy
}

#[test]
fn what_is_added_to_an_enriched_dataset_is_enriched_whenever_the_process_ends() {
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 10, 0).unwrap();
    let token = home.token().unwrap();
    let server = serve(&home, None);
    let client = server.client(Some(token.clone()));
    let source = import(&home, &folder, "Few")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let id = enriched(&client, &source);
    drop(server);
    let mut added = 6_000;
    for point in POINTS {
        let mut server = serve(&home, Some(point));
        let client = server.client(Some(token.clone()));
        // Whoever is cut off gets no answer.
        let _ = send(&client, &id, added..added + 2);
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));
        added += 2;
        let server = serve(&home, None);
        let client = server.client(Some(token.clone()));
        let now = settled(&client, &id);
        assert_eq!(
            (&now["status_new"], &now["n_images"]),
            (&json!("PARTIAL INDEX"), &json!(10 + added - 6_000)),
            "{point}"
        );
        drop(server);
        assert_clean(&home);
    }
    let server = serve(&home, None);
    let client = server.client(Some(token));
    let path = format!("/api/v1/dataset/{id}/reindex");
    assert_eq!(client.post_json(&path, &json!({})).unwrap().status, 202);
    assert_eq!(settled(&client, &id)["status_new"], "READY");

    for number in 6_000..added {
        let name = format!("added-{number:04}.jpg");
        std::fs::write(folder.join(name), picture(number).unwrap()).unwrap();
    }
    let all = import(&home, &folder, "All")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let fresh = enriched(&client, &all);
    assert_eq!(
        everything_said(&client, &id),
        everything_said(&client, &fresh)
    );
    drop(server);
    assert_clean(&home);
}
