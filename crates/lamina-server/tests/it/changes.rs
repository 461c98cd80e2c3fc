//! Additions, reindexing, snapshots through the API, and kill -9 in the middle of each: nothing lost, nothing half done.

use lamina_testkit::client::{Answer, Client, FormFile};
use lamina_testkit::pictures::{self, picture};
use lamina_testkit::server::{Installation, Server, until};
use serde_json::json;

use crate::support::{
    PATIENCE, assert_clean, digest, explore_all, get, import, installation, served, settled,
};

/// Pictures of the dataset before anything is added.
const BEFORE: u64 = 40;

fn dataset(home: &Installation) -> String {
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, BEFORE as usize, 0).unwrap();
    let summary = import(home, &folder, "Road scenes");
    summary["dataset_id"].as_str().unwrap().to_owned()
}

fn add(client: &Client, id: &str, numbers: std::ops::Range<u64>) -> u16 {
    let answer = send(client, id, numbers).unwrap();
    assert!(
        matches!(answer.status, 202 | 409),
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.status
}

pub fn send(client: &Client, id: &str, numbers: std::ops::Range<u64>) -> anyhow::Result<Answer> {
    let files: Vec<(String, Vec<u8>)> = numbers
        .map(|number| (format!("added-{number:04}.jpg"), picture(number).unwrap()))
        .collect();
    let parts: Vec<FormFile<'_>> = files
        .iter()
        .map(|(name, bytes)| FormFile {
            field: "files",
            file_name: name,
            bytes,
        })
        .collect();
    client.post_files(&format!("/api/v1/dataset/{id}/add_media"), &parts)
}

fn post(client: &Client, path: &str) -> u16 {
    client
        .post_json(&format!("/api/v1{path}"), &json!({}))
        .unwrap()
        .status
}

#[test]
fn media_are_added_in_three_ways_found_at_once_and_taken_back() {
    let home = installation();
    let (server, client) = served(&home);
    let id = dataset(&home);
    let before = digest(&client, &id);
    let snapshots = get(&client, &format!("/dataset/{id}/snapshot"));
    assert_eq!(
        (
            &snapshots[0]["reason"],
            &snapshots[0]["is_current"],
            &snapshots[0]["n_images"]
        ),
        (&json!("creation"), &json!(true), &json!(BEFORE))
    );
    let first = snapshots[0]["snapshot_id"].as_str().unwrap().to_owned();

    assert_eq!(add(&client, &id, 1_000..1_004), 202);
    let now = settled(&client, &id);
    assert_eq!(
        (&now["status_new"], &now["n_images"], &now["status"]),
        (&json!("PARTIAL INDEX"), &json!(BEFORE + 4), &json!("READY"))
    );
    let shown = explore_all(&client, &id, "threshold=0")
        .iter()
        .map(|cluster| cluster["n_images"].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(shown, BEFORE + 4, "every one is in a cluster");
    // A picture that was added is found by itself, with its dataset PARTIAL INDEX.
    let found = get(
        &client,
        &format!("/explore/{id}?entity_type=IMAGES&threshold=0&page_number=0"),
    );
    assert!(found.to_string().contains("added-1000.jpg"));

    for (field, name, bytes) in [
        ("archive", "more.zip", zip_of(2_000..2_002)),
        ("archive", "more.tar.gz", tar_gz_of(2_010..2_012)),
    ] {
        let part = FormFile {
            field,
            file_name: name,
            bytes: &bytes,
        };
        let answer = client
            .post_files(&format!("/api/v1/dataset/{id}/add_media"), &[part])
            .unwrap();
        assert_eq!(
            answer.status,
            202,
            "{name}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        settled(&client, &id);
    }
    assert_eq!(
        get(&client, &format!("/dataset/{id}"))["n_images"],
        BEFORE + 8
    );
    let none = client
        .post_files(&format!("/api/v1/dataset/{id}/add_media"), &[])
        .unwrap();
    assert_eq!(none.status, 400);
    assert_eq!(
        none.json().unwrap()["detail"],
        "Exactly one media source must be provided: files[], s3_uri, or archive"
    );

    // Reindexed, it answers as a dataset that was made of all files at once.
    assert_eq!(post(&client, &format!("/dataset/{id}/reindex")), 202);
    assert_eq!(settled(&client, &id)["status_new"], "READY");
    assert_eq!(
        post(&client, &format!("/dataset/{id}/reindex")),
        409,
        "nothing to do"
    );
    let types: Vec<String> = get(&client, &format!("/tasks?dataset_id={id}&page_size=50"))["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["task_type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        types
            .iter()
            .filter(|kind| *kind == "MEDIA_ADDITION")
            .count(),
        3
    );
    assert!(types.contains(&"REINDEX".to_owned()), "{types:?}");

    let made = client
        .post_json(
            &format!("/api/v1/dataset/{id}/snapshot"),
            &json!({"name": "all"}),
        )
        .unwrap();
    assert_eq!(made.status, 200, "{}", String::from_utf8_lossy(&made.body));
    let second = made.json().unwrap()["snapshot_id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        client
            .delete(&format!("/api/v1/dataset/{id}/snapshot/{second}"))
            .unwrap()
            .status,
        409
    );
    assert_eq!(
        post(&client, &format!("/dataset/{id}/snapshot/{first}/restore")),
        202
    );
    let back = settled(&client, &id);
    assert_eq!(
        (&back["status_new"], &back["n_images"]),
        (&json!("READY"), &json!(BEFORE))
    );
    assert_eq!(digest(&client, &id), before);

    assert_eq!(
        post(&client, &format!("/dataset/{id}/snapshot/{second}/clone")),
        202
    );
    let clone = until(PATIENCE, "the clone", || {
        let all = client.get("/api/v1/datasets")?.json()?;
        let found = all
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["display_name"] == "Road scenes (cloned)")
            .cloned();
        Ok(found.filter(|one| one["status_new"] == "READY"))
    })
    .unwrap();
    assert_eq!(clone["n_images"], BEFORE + 8);
    assert_eq!(
        client
            .delete(&format!("/api/v1/dataset/{id}/snapshot/{second}"))
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        post(&client, &format!("/dataset/{id}/snapshot/{second}/restore")),
        404
    );
    let all = get(&client, "/datasets");
    assert_eq!(
        all.as_array().unwrap().len(),
        2,
        "snapshots are no datasets: {all}"
    );
    assert_eq!(
        client
            .get(&format!("/api/v1/dataset/{first}"))
            .unwrap()
            .status,
        404
    );
    assert_eq!(
        client
            .delete(&format!("/api/v1/dataset/{id}"))
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        client
            .get(&format!("/api/v1/dataset/{id}/snapshot"))
            .unwrap()
            .status,
        404
    );
    drop(server);
    assert_clean(&home);
}

fn zip_of(numbers: std::ops::Range<u64>) -> Vec<u8> {
    use std::io::Write as _;
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for number in numbers {
        writer
            .start_file(format!("zipped-{number}.jpg"), options)
            .unwrap();
        writer.write_all(&picture(number).unwrap()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// By the tool that people use.
fn tar_gz_of(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    for number in numbers {
        std::fs::write(
            folder.path().join(format!("taped-{number}.jpg")),
            picture(number).unwrap(),
        )
        .unwrap();
    }
    let packed = std::process::Command::new("tar")
        .args(["-C", folder.path().to_str().unwrap(), "-czf", "-", "."])
        .output()
        .unwrap();
    assert!(packed.status.success());
    packed.stdout
}

/// Where the process is made to end, and the call that leads there.
const POINTS: &[(&str, &str)] = &[
    ("ingest_chunk_before_commit", "add"),
    ("generation_written", "add"),
    ("add_ready_before_commit", "add"),
    ("add_ready_committed", "add"),
    ("reindex_before_commit", "reindex"),
    ("snapshot_filled", "snapshot"),
    ("snapshot_restored", "restore"),
    ("restore_before_commit", "restore"),
    ("restore_committed", "restore"),
    ("clone_before_commit", "clone"),
];

fn serve(home: &Installation, point: Option<&str>) -> Server {
    home.serve(|command| {
        command.args(["--lease", "2s", "--chunk-files", "16"]);
        if let Some(point) = point {
            command.env("FAILPOINTS", format!("{point}=1*panic(kill)"));
        }
    })
    .unwrap()
}

#[test]
fn a_server_that_ends_in_the_middle_of_a_change_finishes_it_or_never_began() {
    let home = installation();
    let server = serve(&home, None);
    let id = dataset(&home);
    let token = home.token().unwrap();
    let client = server.client(Some(token.clone()));
    let first = get(&client, &format!("/dataset/{id}/snapshot"))[0]["snapshot_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = digest(&client, &id);
    drop(server);
    let mut added = 3_000;
    for (point, call) in POINTS {
        if *call == "reindex" {
            let server = serve(&home, None);
            let client = server.client(Some(token.clone()));
            assert_eq!(add(&client, &id, added..added + 2), 202);
            added += 2;
            assert_eq!(settled(&client, &id)["status_new"], "PARTIAL INDEX");
        }
        let mut server = serve(&home, Some(point));
        let client = server.client(Some(token.clone()));
        let count = get(&client, &format!("/dataset/{id}"))["n_images"]
            .as_u64()
            .unwrap();
        // The call that is cut off gets no answer.
        match *call {
            "add" => drop(send(&client, &id, added..added + 2)),
            "reindex" => {
                drop(client.post_json(&format!("/api/v1/dataset/{id}/reindex"), &json!({})))
            }
            "snapshot" => {
                drop(client.post_json(&format!("/api/v1/dataset/{id}/snapshot"), &json!({})))
            }
            call => drop(client.post_json(
                &format!("/api/v1/dataset/{id}/snapshot/{first}/{call}"),
                &json!({}),
            )),
        }
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));
        let server = serve(&home, None);
        let client = server.client(Some(token.clone()));
        let now = settled(&client, &id);
        let images = now["n_images"].as_u64().unwrap();
        match *call {
            "add" => {
                assert_eq!(
                    (&now["status_new"], images),
                    (&json!("PARTIAL INDEX"), count + 2),
                    "{point}"
                );
                added += 2;
            }
            "reindex" => assert_eq!(
                (&now["status_new"], images),
                (&json!("READY"), count),
                "{point}"
            ),
            "restore" => {
                assert_eq!(
                    (&now["status_new"], images),
                    (&json!("READY"), BEFORE),
                    "{point}"
                );
                assert_eq!(digest(&client, &id), before, "{point}");
            }
            "snapshot" => {
                assert_eq!(images, count);
                assert_eq!(
                    get(&client, &format!("/dataset/{id}/snapshot"))
                        .as_array()
                        .unwrap()
                        .len(),
                    1
                );
            }
            _ => {
                until(PATIENCE, "the clone", || {
                    let all = client.get("/api/v1/datasets")?.json()?;
                    let clones = all
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|one| one["display_name"] == "Road scenes (cloned)");
                    let ready = clones.filter(|one| one["status_new"] == "READY").count();
                    Ok((ready == 1).then_some(()))
                })
                .unwrap();
            }
        }
        drop(server);
        assert_clean(&home);
    }
}
