//! The same files by every door: folder, upload, zip, search.

use std::io::Write as _;

use lamina_testkit::client::{Client, FormFile};
use lamina_testkit::pictures;
use serde_json::Value;

use crate::support::{assert_clean, at_rest, digest, get, import, installation, served};

/// Good pictures in every test here.
const GOOD: usize = 30;

#[test]
fn folder_upload_and_zip_give_the_same_dataset() {
    let home = installation();
    let (server, client) = served(&home);
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, GOOD, 0).unwrap();
    let by_folder = import(&home, &folder, "by folder")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let by_upload = upload(&client, &folder);
    let by_zip = send_zip(&client, &folder);
    let expected = digest(&client, &by_folder);
    for id in [&by_upload, &by_zip] {
        let dataset = at_rest(&client, id);
        assert_eq!(
            (&dataset["status_new"], &dataset["n_images"]),
            (&"READY".into(), &GOOD.into()),
            "{dataset}"
        );
        assert_eq!(digest(&client, id), expected);
    }
    assert_eq!(
        get(&client, &format!("/dataset/{by_zip}"))["filename"],
        "photos.zip"
    );
    // The pixels are the same content: nothing was decoded or embedded twice, and nothing is stored twice.
    drop(server);
    assert_clean(&home);
}

#[test]
fn every_door_refuses_the_same_bad_file() {
    let home = installation();
    let (_server, client) = served(&home);
    let good = pictures::picture(1).unwrap();
    let id = dataset_of(&client, &[("a.jpg", &good)]);
    assert_eq!(at_rest(&client, &id)["status_new"], "READY");
    let truncated_png =
        lamina_media::demo::encode_png(&lamina_media::demo::Scene::new(3).draw(64, 64)).unwrap();
    let bad: [(&str, &[u8]); 3] = [
        ("empty.jpg", b""),
        ("page.jpg", b"<html></html>"),
        ("cut.png", &truncated_png[..truncated_png.len() / 2]),
    ];
    let folder = home.data.path().join("bad");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("good.jpg"), &good).unwrap();
    for (name, bytes) in bad {
        std::fs::write(folder.join(name), bytes).unwrap();
        let file = FormFile {
            field: "file",
            file_name: name,
            bytes,
        };
        let answer = client
            .post_files(
                &format!("/api/v1/dataset/{id}/search-image-similarity"),
                &[file],
            )
            .unwrap();
        assert_eq!(answer.status, 400, "search with {name}");
    }
    let summary = import(&home, &folder, "bad and good");
    assert_eq!(
        (&summary["n_images"], &summary["rejected"]),
        (&1.into(), &3.into())
    );
    let zipped = at_rest(&client, &send_zip(&client, &folder));
    assert_eq!(
        (&zipped["status_new"], &zipped["n_images"]),
        (&"READY".into(), &1.into())
    );
    assert_clean(&home);
}

#[test]
fn a_dataset_without_a_usable_file_ends_in_error_with_a_reason() {
    let home = installation();
    let (_server, client) = served(&home);
    let folder = home.data.path().join("bad");
    pictures::write_mixed(&folder, 0, 5).unwrap();
    let output = home
        .run(
            "import",
            &[
                folder.to_str().unwrap(),
                "--name",
                "bad",
                "--wait",
                "--json",
            ],
        )
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dataset = get(
        &client,
        &format!("/dataset/{}", summary["dataset_id"].as_str().unwrap()),
    );
    assert_eq!(dataset["status_new"], "ERROR");
    assert!(
        dataset["fatal_error_msg"]
            .as_str()
            .unwrap()
            .contains("None of the 5 files")
    );
    assert_clean(&home);
}

/// The four steps of the upload flow.
fn upload(client: &Client, folder: &std::path::Path) -> String {
    let files: Vec<(String, Vec<u8>)> = sorted(folder);
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    dataset_of(client, &files)
}

fn dataset_of(client: &Client, files: &[(&str, &[u8])]) -> String {
    let id = get(client, "/ingestion/new_dataset?dataset_name=uploaded")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let transaction = get(client, &format!("/ingestion/{id}/data_files"))["trans_id"]
        .as_i64()
        .unwrap();
    for part in files.chunks(10) {
        let part: Vec<FormFile<'_>> = part
            .iter()
            .map(|(name, bytes)| FormFile {
                field: "files",
                file_name: name,
                bytes,
            })
            .collect();
        let answer = client
            .post_files(
                &format!("/api/v1/ingestion/{id}/data_files/{transaction}"),
                &part,
            )
            .unwrap();
        assert_eq!(
            answer.status,
            202,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    let path = format!("/api/v1/ingestion/{id}/process_files/{transaction}");
    assert_eq!(
        client.request("POST", &path, None, &[]).unwrap().status,
        202
    );
    assert_eq!(
        client.request("POST", &path, None, &[]).unwrap().status,
        409,
        "processing starts once"
    );
    id
}

/// The way of the public SDK: an announced archive.
fn send_zip(client: &Client, folder: &std::path::Path) -> String {
    let form = b"dataset_name=zipped&uploaded_filename=photos.zip&bucket_path=&vl_dataset_id=&config_url=&pipeline_type=";
    let made = client
        .request(
            "POST",
            "/api/v1/dataset",
            Some("application/x-www-form-urlencoded"),
            form,
        )
        .unwrap();
    assert_eq!(made.status, 200, "{}", String::from_utf8_lossy(&made.body));
    let id = made.json().unwrap()["id"].as_str().unwrap().to_owned();
    let mut archive = zip_of(&sorted(folder));
    archive.flush().unwrap();
    let file = FormFile {
        field: "file",
        file_name: "photos.zip",
        bytes: &archive,
    };
    let sent = client
        .post_files(
            &format!("/api/v1/dataset/{id}/upload?operations=READ"),
            &[file],
        )
        .unwrap();
    assert!(
        (200..300).contains(&sent.status),
        "{}",
        String::from_utf8_lossy(&sent.body)
    );
    id
}

fn sorted(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// A zip archive of stored entries, written by the standard tool.
fn zip_of(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in files {
        writer.start_file(name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
