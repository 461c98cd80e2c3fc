//! A dataset from a private bucket through the real binary: the keys are nowhere but in its configuration.

use std::process::Stdio;

use lamina_testkit::bucket::BucketServer;
use lamina_testkit::pictures;
use serde_json::Value;

use crate::support::{assert_clean, at_rest, digest, get, import, installation};

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
