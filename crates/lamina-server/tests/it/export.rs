//! Exports with the real binary, asked for as scripts and the Python SDK do it, and through kills.

use std::io::{Cursor, Read};

use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use lamina_testkit::server::{Server, until};
use serde_json::Value;

use crate::support::{PATIENCE, assert_clean, get, import, installation, served};

/// Waits until an export is over; its object then, and the raw text of it.
fn over(client: &Client, dataset: &str, task: &str) -> (Value, String) {
    let path = format!("/api/v1/dataset/{dataset}/export_status?export_task_id={task}");
    until(PATIENCE, "the export to be over", || {
        let answer = client.get(&path)?;
        let export = answer.json()?;
        let status = export["status"].as_str().unwrap_or_default();
        let is_over = ["COMPLETED", "FAILED", "REJECTED"].contains(&status);
        let text = String::from_utf8(answer.body)?;
        Ok(is_over.then_some((export, text)))
    })
    .unwrap()
}

fn ask(client: &Client, dataset: &str, query: &str) -> String {
    let export = get(
        client,
        &format!("/dataset/{dataset}/export_context_async?{query}"),
    );
    assert_eq!(export["status"], "INIT", "{export}");
    export["id"].as_str().unwrap().to_owned()
}

/// The archive behind an address, fetched without any header.
fn fetched(server: &Server, address: &str) -> zip::ZipArchive<Cursor<Vec<u8>>> {
    let path = &address[address.find("/cdn/").unwrap()..];
    let answer = server.client(None).get(path).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.head);
    zip::ZipArchive::new(Cursor::new(answer.body)).unwrap()
}

fn document(archive: &mut zip::ZipArchive<Cursor<Vec<u8>>>) -> Value {
    let mut text = String::new();
    let mut entry = archive.by_name("metadata.json").unwrap();
    entry.read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn names(document: &Value) -> Vec<String> {
    let items = document["media_items"].as_array().unwrap().iter();
    let name = |item: &Value| item["file_name"].as_str().unwrap().to_owned();
    items.map(name).collect()
}

#[test]
fn a_search_is_run_through_export_as_the_sdk_does_it() {
    let home = installation();
    let (server, client) = served(&home);
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 30, 5).unwrap();
    let id = import(&home, &folder, "Thirty")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();

    let task = ask(
        &client,
        &id,
        "file_name=all.zip&export_format=json&include_images=True",
    );
    let (export, text) = over(&client, &id, &task);
    assert_eq!(
        (&export["status"], &export["progress"]),
        (&"COMPLETED".into(), &100.0.into())
    );
    for key in [
        "\"id\":\"",
        "\"status\":\"COMPLETED\"",
        "\"download_uri\":\"http://",
    ] {
        assert_eq!(text.matches(key).count(), 1, "{text}");
    }
    let mut archive = fetched(&server, export["download_uri"].as_str().unwrap());
    let all = document(&mut archive);
    assert_eq!(all["info"]["total_media_items"], 30);
    assert_eq!(names(&all).len(), 30);
    assert_eq!(archive.len(), 31, "the document and the originals");

    // The synchronous document says the same of the same media.
    let direct = get(&client, &format!("/dataset/{id}/export?export_format=json"));
    assert_eq!(direct["media_items"], all["media_items"]);
    let table = client
        .get(&format!("/api/v1/dataset/{id}/export_media_id"))
        .unwrap();
    let table = String::from_utf8(table.body).unwrap();
    assert!(table.starts_with("filename,media_id\n"), "{table}");
    assert_eq!(table.lines().count(), 31);

    // Around one of the pictures, nearest first, with the distance.
    let anchor = all["media_items"][4]["media_id"].as_str().unwrap();
    let vql = format!(r#"[{{"similarity":{{"op":"media","value":"{anchor}","threshold":1.5}}}}]"#);
    let vql: String = form_urlencoded::byte_serialize(vql.as_bytes()).collect();
    let task = ask(
        &client,
        &id,
        &format!("export_format=json&vql={vql}&limit=5"),
    );
    let (export, _) = over(&client, &id, &task);
    assert_eq!(export["entities_count"], 5);
    let found = document(&mut fetched(
        &server,
        export["download_uri"].as_str().unwrap(),
    ));
    let items = found["media_items"].as_array().unwrap();
    assert_eq!(items[0]["media_id"], anchor);
    let scores: Vec<f64> = items
        .iter()
        .map(|item| item["search_confidence"].as_f64().unwrap())
        .collect();
    assert!(scores[0] < 0.001 && scores.is_sorted(), "{scores:?}");

    // A cluster of an explore answer, and a slice.
    let cluster = &get(&client, &format!("/explore/{id}?threshold=4"))["clusters"][0];
    let members = cluster["n_images"].as_u64().unwrap();
    let of_cluster = format!(
        "threshold=4&export_format=csv&cluster_id={}",
        cluster["cluster_id"].as_str().unwrap()
    );
    let task = ask(&client, &id, &of_cluster);
    assert_eq!(over(&client, &id, &task).0["entities_count"], members);

    // Nothing found is an empty result, not a failure.
    let none = get(
        &client,
        &format!("/dataset/{id}/export_context_async?labels=nobody"),
    );
    assert_eq!(none["status"], "REJECTED");
    drop(server);
    assert_clean(&home);
}

#[test]
fn an_export_that_is_killed_is_finished_at_the_next_start() {
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 20, 0).unwrap();
    let id = import(&home, &folder, "Twenty")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for point in ["export_written", "blob_file_synced", "export_moved_in"] {
        let mut server = home
            .serve(|command| {
                command
                    .args(["--lease", "2s"])
                    .env("FAILPOINTS", format!("{point}=1*panic(kill)"));
            })
            .unwrap();
        let client = server.client(Some(home.token().unwrap()));
        let task = ask(&client, &id, "export_format=json&include_images=true");
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));
        let server = home
            .serve(|command| {
                command.args(["--lease", "2s"]);
            })
            .unwrap();
        let client = server.client(Some(home.token().unwrap()));
        let (export, _) = over(&client, &id, &task);
        assert_eq!(export["status"], "COMPLETED", "{point}");
        let mut archive = fetched(&server, export["download_uri"].as_str().unwrap());
        assert_eq!(names(&document(&mut archive)).len(), 20, "{point}");
        assert_eq!(archive.len(), 21, "{point}");
        assert_clean(&home);
    }
}
