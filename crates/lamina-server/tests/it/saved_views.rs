//! Saved views through the real binary: made, looked at again by an addition, told of.

use lamina_media::demo::encode_jpeg;
use lamina_media::{Picture, PictureFormat};
use lamina_testkit::client::{Client, FormFile};
use lamina_testkit::pictures::{self, picture};
use lamina_testkit::server::until;
use serde_json::{Value, json};

use crate::support::{PATIENCE, assert_clean, get, import, installation, served, settled};

fn view(client: &Client, dataset: &str, name: &str, filters: &str) -> Value {
    let answer = client
        .request(
            "POST",
            &format!("/api/v1/dataset/{dataset}/views?entity_type=IMAGES&threshold=0{filters}"),
            Some("application/x-www-form-urlencoded"),
            format!("name={name}").as_bytes(),
        )
        .unwrap();
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json().unwrap()
}

fn add(client: &Client, dataset: &str, files: &[(String, Vec<u8>)]) {
    let parts: Vec<FormFile<'_>> = files
        .iter()
        .map(|(name, bytes)| FormFile {
            field: "files",
            file_name: name,
            bytes,
        })
        .collect();
    let path = format!("/api/v1/dataset/{dataset}/add_media");
    assert_eq!(client.post_files(&path, &parts).unwrap().status, 202);
    // At rest the media are visible; views are looked at after that.
    settled(client, dataset);
    until(PATIENCE, "the addition to end", || {
        let tasks = client
            .get(&format!(
                "/api/v1/tasks?dataset_id={dataset}&task_type=MEDIA_ADDITION"
            ))?
            .json()?;
        let tasks = tasks["tasks"].as_array().unwrap().clone();
        let ended = tasks.iter().all(|task| task["status"] == "COMPLETED");
        Ok((ended && !tasks.is_empty()).then_some(()))
    })
    .unwrap();
}

/// A picture without any light.
fn black(number: u8) -> Vec<u8> {
    let (width, height) = (320, 240);
    let rgb = (0..width * height)
        .flat_map(|pixel| [(pixel % u32::from(number + 2)) as u8, 1, 2])
        .collect();
    let picture = Picture::from_rgb(PictureFormat::Jpeg, width, height, rgb).unwrap();
    encode_jpeg(&picture, 85).unwrap()
}

#[test]
fn a_saved_view_is_looked_at_again_for_each_addition_and_its_people_are_told() {
    let home = installation();
    let (server, client) = served(&home);
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 15, 0).unwrap();
    let id = import(&home, &folder, "Road scenes")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    // Before there is a view.
    add(&client, &id, &[("black-0.jpg".to_owned(), black(0))]);

    let dark = r#"[{"issues":{"op":"issue","value":"dark"}}]"#;
    let dark: String = form_urlencoded::byte_serialize(dark.as_bytes()).collect();
    let dark = view(&client, &id, "Dark", &format!("&vql={dark}"));
    let quiet = view(&client, &id, "All", "");
    assert_eq!(dark["stats"]["n_images"], -1);
    let path = |view: &Value, rest: &str| {
        format!("/dataset/{id}/views/{}{rest}", view["id"].as_str().unwrap())
    };
    let answer = client
        .post_json(
            &format!("/api/v1{}", path(&quiet, "/alerting")),
            &json!({"request": {"enabled": false}}),
        )
        .unwrap();
    assert_eq!(answer.json().unwrap(), json!({"alerting_enabled": false}));

    let files: Vec<(String, Vec<u8>)> = (1..3)
        .map(|number| (format!("black-{number}.jpg"), black(number)))
        .chain((0..3).map(|number| (format!("{number}.jpg"), picture(700 + number).unwrap())))
        .collect();
    add(&client, &id, &files);
    let trend = get(&client, &path(&dark, "/trend"));
    let points = trend["points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "{trend}");
    assert_eq!(
        (
            &points[0]["count"],
            &points[0]["cumulative"],
            &trend["total_results"]
        ),
        (&json!(2), &json!(2), &json!(2)),
        "{trend}"
    );
    assert_eq!(get(&client, &path(&quiet, "/trend"))["total_results"], 5);

    let told = get(&client, &format!("/notifications?dataset_id={id}"));
    assert_eq!(told["total"], 1, "{told}");
    let notification = &told["notifications"][0];
    assert_eq!(
        (
            &notification["entity_id"],
            &notification["metadata"]["result_count"],
            &notification["metadata"]["view_name"],
            &notification["metadata"]["batch_id"],
            &notification["read_at"]
        ),
        (
            &dark["id"],
            &json!(2),
            &json!("Dark"),
            &points[0]["batch_id"],
            &Value::Null
        ),
        "{notification}"
    );
    let listed = get(&client, &format!("/dataset/{id}/views"));
    let found = listed["views"]
        .as_array()
        .unwrap()
        .iter()
        .find(|view| view["id"] == dark["id"])
        .unwrap()
        .clone();
    assert_eq!(
        (
            &found["stats"]["n_images"],
            &found["total_results"],
            found["last_results"].is_string()
        ),
        (&json!(3), &json!(2), true),
        "{found}"
    );

    // Nothing dark among the next ones: a point, and nobody is told.
    add(
        &client,
        &id,
        &[("another.jpg".to_owned(), picture(800).unwrap())],
    );
    let trend = get(&client, &path(&dark, "/trend"));
    let counts: Vec<&Value> = trend["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| &point["count"])
        .collect();
    assert!(
        counts == [2] || counts == [2, 0],
        "one point for a batch, or none for nothing: {trend}"
    );
    assert_eq!(
        get(&client, "/notifications/unread-count"),
        json!({"count": 1})
    );
    assert_eq!(get(&client, &path(&quiet, "/trend"))["total_results"], 6);
    drop(server);
    assert_clean(&home);
}
