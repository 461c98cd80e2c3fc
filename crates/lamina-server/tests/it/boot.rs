//! One real boot, from an empty data directory to a search and an orderly end.

use std::time::Duration;

use lamina_testkit::client::FormFile;
use lamina_testkit::pictures;

use crate::support::{assert_clean, at_rest, explore_all, get, import, installation, served};

#[test]
fn an_empty_directory_becomes_a_server_that_ingests_searches_and_stops() {
    let home = installation();
    let (server, client) = served(&home);
    let health = get(&server.client(None), "/healthcheck");
    assert_eq!(health["status"], "Green");
    assert_eq!(health["service-health-message"], "none");

    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 40, 10).unwrap();
    let summary = import(&home, &folder, "Forty");
    assert_eq!(
        (
            &summary["status"],
            &summary["n_images"],
            &summary["rejected"]
        ),
        (&"READY".into(), &40.into(), &10.into())
    );
    let report = std::fs::read_to_string(summary["report"].as_str().unwrap()).unwrap();
    assert_eq!(
        report.lines().count(),
        11,
        "a heading and one line per rejected file"
    );

    let id = summary["dataset_id"].as_str().unwrap();
    let dataset = at_rest(&client, id);
    assert_eq!(
        (
            &dataset["n_images"],
            &dataset["progress"],
            &dataset["status"]
        ),
        (&40.into(), &100.into(), &"READY".into())
    );

    // Browsing shows every picture once.
    let clusters = explore_all(&client, id, "threshold=0");
    let members: u64 = clusters
        .iter()
        .map(|cluster| cluster["n_images"].as_u64().unwrap())
        .sum();
    assert_eq!(members, 40);
    assert!(
        clusters
            .iter()
            .all(|cluster| cluster["relevance_score"].is_null())
    );

    // A picture of the set finds itself first.
    let bytes = pictures::picture(7).unwrap();
    let path =
        format!("/api/v1/dataset/{id}/search-image-similarity?entity_type=IMAGES&threshold=0");
    let file = FormFile {
        field: "file",
        file_name: "query",
        bytes: &bytes,
    };
    let anchor = client.post_files(&path, &[file]).unwrap();
    assert_eq!(
        anchor.status,
        200,
        "{}",
        String::from_utf8_lossy(&anchor.body)
    );
    let anchor = anchor.json().unwrap();
    let query = format!(
        "threshold=0&anchor_type=UPLOAD&anchor_media_id={}",
        anchor["anchor_media_id"].as_str().unwrap()
    );
    let found = explore_all(&client, id, &query);
    let best = &found[0]["previews"][0];
    assert_eq!(best["file_name"], "0049-good.jpg");
    assert!(best["relevance_score"].as_f64().unwrap() < 0.001);

    // Its picture and thumbnail open without a token.
    for key in ["media_uri", "media_thumb_uri"] {
        let link = best[key].as_str().unwrap();
        let path = link.split_once(&format!("{}", server.address)).unwrap().1;
        let picture = server.client(None).get(path).unwrap();
        assert_eq!(picture.status, 200, "{link}");
        assert!(!picture.body.is_empty());
    }
    assert_eq!(
        client
            .get(&format!(
                "/api/v1/explore/{}?entity_type=IMAGES",
                uuid::Uuid::now_v7()
            ))
            .unwrap()
            .status,
        404
    );
    assert_eq!(
        server
            .client(None)
            .get(&format!("/api/v1/explore/{id}"))
            .unwrap()
            .status,
        401
    );

    assert_clean(&home);
    let status = server.terminate(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(0));
    // With the server down the command line does the work itself.
    let summary = import(&home, &folder, "Forty again");
    assert_eq!(summary["n_images"], 40);
    assert_clean(&home);
}

#[test]
fn a_stopped_ingest_goes_on_at_the_next_start() {
    let home = installation();
    let (server, client) = served(&home);
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 200, 0).unwrap();
    let output = home
        .run(
            "import",
            &[folder.to_str().unwrap(), "--name", "Two hundred", "--json"],
        )
        .unwrap();
    let id: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = id["dataset_id"].as_str().unwrap().to_owned();
    assert_eq!(
        get(&client, &format!("/dataset/{id}"))["status_new"],
        "INDEXING"
    );
    let status = server.terminate(Duration::from_secs(10)).unwrap();
    assert_eq!(status.code(), Some(0));

    let (_server, client) = served(&home);
    let dataset = at_rest(&client, &id);
    assert_eq!(
        (&dataset["status_new"], &dataset["n_images"]),
        (&"READY".into(), &200.into())
    );
    assert_clean(&home);
}

#[test]
fn mistyped_settings_are_refused_and_named() {
    let home = installation();
    let output = home
        .command("verify")
        .env("LAMINA_DATA_DIRECTORY", "/nowhere")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("LAMINA_DATA_DIRECTORY"));
}

#[test]
fn no_auth_mode_refuses_to_listen_to_the_network() {
    let home = installation();
    let output = home
        .run("serve", &["--auth", "none", "--listen", "0.0.0.0:0"])
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--allow-open-network"));
}
