//! Datasets from private buckets, and media added from them, through the real binary: the keys are nowhere but in its configuration.

use std::path::Path;
use std::process::Stdio;

use lamina_testkit::bucket::{AUTHORITY, BucketServer};
use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use serde_json::Value;

use crate::support::{
    assert_clean, at_rest, digest, explore_all, get, import, installation, settled,
};

const KEY: &str = "AKIACANARYOFTHEKEY";
const SECRET: &str = "canary/5ecret+of+the+bucket";

#[test]
fn a_bucket_becomes_a_dataset_and_its_keys_are_in_no_log_or_answer() {
    let bucket = BucketServer::start(Some((KEY, SECRET)));
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 30, 5).unwrap();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        let key = format!("trip/{}", file.file_name().to_str().unwrap());
        bucket.put("photos", &key, &std::fs::read(file.path()).unwrap());
    }
    let secret_file = home.data.path().join("secret");
    std::fs::write(&secret_file, format!("{SECRET}\n")).unwrap();
    let log = home.data.path().join("log");
    let server = home
        .serve(|command| {
            command
                .env("LAMINA_LOG", "trace")
                .env("LAMINA_S3_BUCKETS", "photos")
                .env("LAMINA_S3_ENDPOINT", bucket.endpoint())
                .env("LAMINA_S3_ACCESS_KEY_ID", KEY)
                .env("LAMINA_S3_SECRET_ACCESS_KEY_FILE", &secret_file)
                .env("LAMINA_S3_PATH_STYLE", "true")
                .stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
        })
        .unwrap();
    let client = server.client(Some(home.token().unwrap()));
    let create = |form: &str| {
        let kind = Some("application/x-www-form-urlencoded");
        client
            .request("POST", "/api/v1/dataset", kind, form.as_bytes())
            .unwrap()
    };
    let refused = create("dataset_name=Others&bucket_path=s3://others/");
    assert_eq!(refused.status, 400);
    let made =
        create("dataset_name=Trip&bucket_path=s3%3A%2F%2Fphotos%2Ftrip%2F&uploaded_filename=");
    assert_eq!(made.status, 200, "{}", String::from_utf8_lossy(&made.body));
    let made: Value = made.json().unwrap();
    assert_eq!(
        (&made["status_new"], &made["id"]),
        (&"INDEXING".into(), &made["dataset_id"])
    );
    let id = made["id"].as_str().unwrap();
    let dataset = at_rest(&client, id);
    assert_eq!(
        (
            &dataset["status_new"],
            &dataset["n_images"],
            &dataset["source_type"],
            &dataset["source_uri"]
        ),
        (
            &"READY".into(),
            &30.into(),
            &"BUCKET".into(),
            &"s3://photos/trip/".into()
        ),
        "{dataset}"
    );
    let same = import(&home, &folder, "the same files");
    assert_eq!(
        digest(&client, id),
        digest(&client, same["dataset_id"].as_str().unwrap())
    );

    let answers = [
        get(&client, "/datasets").to_string(),
        get(&client, "/tasks").to_string(),
        get(
            &client,
            &format!("/explore/{id}?entity_type=IMAGES&threshold=0"),
        )
        .to_string(),
    ];
    drop(server);
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("listed the source"), "the log is there");
    for text in answers.iter().chain([&said]) {
        for canary in [KEY, SECRET] {
            assert!(
                !text.contains(canary),
                "{canary} is in {}",
                &text[..text.len().min(200)]
            );
        }
    }
    assert_clean(&home);
}

/// What people send with `s3_uri`; the answer's status and detail.
fn add_from(client: &Client, dataset: &str, uri: &str) -> (u16, Value) {
    const BOUNDARY: &str = "a-boundary";
    let field = |name: &str, value: &str| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        )
    };
    let form = format!(
        "{}{}--{BOUNDARY}--\r\n",
        field("s3_uri", uri),
        field("auto_reindex", "false")
    );
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let path = format!("/api/v1/dataset/{dataset}/add_media");
    let answer = client
        .request("POST", &path, Some(&kind), form.as_bytes())
        .unwrap();
    let said = answer
        .json()
        .map_or(Value::Null, |body| body["detail"].clone());
    (answer.status, said)
}

#[test]
fn media_are_added_from_a_bucket_that_has_a_host_name_and_an_authority_of_its_own() {
    let bucket = BucketServer::start_with_tls(Some((KEY, SECRET)));
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 12, 0).unwrap();
    for number in 0..5 {
        let key = format!("july/{number}.jpg");
        bucket.put("photos", &key, &pictures::picture(500 + number).unwrap());
    }
    bucket.put("photos", "july/notes.jpg", b"no picture");
    bucket.put(
        "photos",
        "lists/two.txt",
        b"s3://photos/july/1.jpg\ns3://photos/august/9.jpg\n",
    );
    bucket.put("photos", "august/9.jpg", &pictures::picture(900).unwrap());
    let (secret_file, authority) = (
        home.data.path().join("secret"),
        home.data.path().join("authority.pem"),
    );
    std::fs::write(&secret_file, SECRET).unwrap();
    std::fs::write(&authority, AUTHORITY).unwrap();
    let serve = |authority: Option<&Path>| {
        home.serve(|command| {
            command
                .env("LAMINA_S3_BUCKETS", "photos")
                .env("LAMINA_S3_ENDPOINT", bucket.endpoint())
                .env("LAMINA_S3_ACCESS_KEY_ID", KEY)
                .env("LAMINA_S3_SECRET_ACCESS_KEY_FILE", &secret_file);
            if let Some(file) = authority {
                command.env("LAMINA_S3_CA_FILE", file);
            }
        })
        .unwrap()
    };
    let token = home.token().unwrap();
    let id = import(&home, &folder, "Trips")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();

    // Who does not trust the authority of that server reads nothing from it.
    let server = serve(None);
    let client = server.client(Some(token.clone()));
    let (status, _) = add_from(&client, &id, "s3://photos/july/");
    assert_eq!(status, 503);
    assert!(bucket.listings().is_empty());
    drop(server);

    let server = serve(Some(&authority));
    let client = server.client(Some(token));
    for uri in ["s3://photos/june/", "s3://others/july/", "photos july"] {
        let (status, said) = add_from(&client, &id, uri);
        let expected = format!("Invalid S3 URI or no media files found at {uri}");
        assert_eq!((status, said), (400, expected.into()));
    }
    assert_eq!(
        get(&client, &format!("/dataset/{id}"))["status_new"],
        "READY"
    );

    assert_eq!(add_from(&client, &id, "s3://photos/july/").0, 202);
    let added = settled(&client, &id);
    assert_eq!(
        (&added["status_new"], &added["n_images"]),
        (&"PARTIAL INDEX".into(), &17.into()),
        "{added}"
    );
    // A list in the bucket: one picture that is there already, as another item, and a new one.
    assert_eq!(add_from(&client, &id, "s3://photos/lists/two.txt").0, 202);
    assert_eq!(settled(&client, &id)["n_images"], 19);
    let names: Vec<String> = explore_all(&client, &id, "threshold=0")
        .iter()
        .flat_map(|cluster| cluster["previews"].as_array().unwrap().clone())
        .map(|preview| preview["file_name"].as_str().unwrap().to_owned())
        .collect();
    for name in ["0.jpg", "4.jpg", "9.jpg"] {
        assert!(names.iter().any(|shown| shown == name), "{names:?}");
    }
    let path = format!("/api/v1/dataset/{id}/reindex");
    assert_eq!(client.post_json(&path, &Value::Null).unwrap().status, 202);
    assert_eq!(settled(&client, &id)["status_new"], "READY");
    drop(server);
    assert_clean(&home);
}
