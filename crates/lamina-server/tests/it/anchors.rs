//! Query pictures through the real encoder: how long they live, what of them is searched for, and what is refused.

use std::time::Duration;

use lamina_media::demo::{Scene, encode_png};
use lamina_media::{Picture, PictureFormat};
use lamina_postgres::{ClusterOptions, PrivateCluster};
use lamina_store::sqlx::{self, Connection as _};
use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, until};
use serde_json::Value;

use crate::album::{Album, PICTURES, upload};
use crate::support::{PATIENCE, explore_all, get, installation, served};

/// A number that the installation's own database is asked for.
fn asked(home: &Installation, sql: &'static str, id: &str) -> i64 {
    let options = ClusterOptions {
        data_dir: home.data.path().to_owned(),
        bin_dir: None,
        durable: true,
    };
    let cluster = PrivateCluster::connect_or_start(&options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut conn = sqlx::PgConnection::connect(&cluster.url()).await.unwrap();
        let id: uuid::Uuid = id.parse().unwrap();
        sqlx::query_scalar(sql)
            .bind(id)
            .fetch_one(&mut conn)
            .await
            .unwrap()
    })
}

/// Status and body of an explore call.
fn explore(client: &Client, id: &str, query: &str) -> (u16, Value) {
    let answer = client
        .get(&format!("/api/v1/explore/{id}?{query}"))
        .unwrap();
    (answer.status, answer.json().unwrap())
}

/// The best member of the first cluster: name and score.
fn best(client: &Client, id: &str, query: &str) -> (String, f64) {
    let (status, page) = explore(client, id, query);
    assert_eq!(status, 200, "{query}: {page}");
    let first = &page["clusters"][0]["previews"][0];
    let name = first["file_name"].as_str().unwrap_or_default().to_owned();
    (name, first["relevance_score"].as_f64().unwrap_or(f64::NAN))
}

fn assert_unknown((status, body): (u16, Value)) {
    assert_eq!(
        (status, &body["detail"]),
        (404, &"Anchor media not found".into())
    );
}

#[test]
fn a_query_picture_outlives_a_restart_and_not_its_time() {
    let home = installation();
    let (server, client) = served(&home);
    let album = Album::new(&home, &client);
    let other = pictures::picture(7).unwrap();
    let fresh = upload(&client, &album.id, "", &other).unwrap();
    let by = |anchor: &str| format!("anchor_media_id={anchor}&anchor_type=UPLOAD");
    assert_eq!(
        best(&client, &album.id, &by(&album.upload)),
        ("00.jpg".to_owned(), 0.0)
    );
    assert_eq!(
        best(&client, &album.id, &by(&fresh)),
        ("07.jpg".to_owned(), 0.0)
    );
    let days = "select floor(extract(epoch from expires_at - now()) / 86400)::bigint from anchors where id = $1";
    assert_eq!(
        asked(&home, days, &fresh),
        6,
        "seven days but for the moment that has passed"
    );

    // Its time comes: from that moment on it is as unknown as any other, before anybody has tidied up.
    let expire = "with gone as (update anchors set expires_at = now() where id = $1 returning 1) select count(*) from gone";
    assert_eq!(asked(&home, expire, &album.upload), 1);
    assert_unknown(explore(&client, &album.id, &by(&album.upload)));
    let vql = format!(
        "vql=%5B%7B%22similarity%22%3A%7B%22op%22%3A%22upload%22%2C%22value%22%3A%22{}%22%7D%7D%5D",
        album.upload
    );
    assert_unknown(explore(&client, &album.id, &vql));
    let there = "select count(*) from anchors where id = $1";
    assert_eq!(asked(&home, there, &album.upload), 1);

    // A start begins with tidying up.
    server.terminate(Duration::from_secs(60)).unwrap();
    let (server, client) = served(&home);
    until(PATIENCE, "the expired picture to be deleted", || {
        Ok((asked(&home, there, &album.upload) == 0).then_some(()))
    })
    .unwrap();
    assert_unknown(explore(&client, &album.id, &by(&album.upload)));
    assert_eq!(asked(&home, there, &fresh), 1);
    assert_eq!(
        best(&client, &album.id, &by(&fresh)),
        ("07.jpg".to_owned(), 0.0)
    );

    // And they go with their dataset.
    let path = format!("/api/v1/dataset/{}", album.id);
    assert!(client.delete(&path).unwrap().status < 300);
    until(PATIENCE, "the picture to go with its dataset", || {
        Ok((asked(&home, there, &fresh) == 0).then_some(()))
    })
    .unwrap();
    drop(server);
}

/// Two scenes side by side, 640 x 240.
fn side_by_side(left: u64, right: u64) -> Vec<u8> {
    let half = |seed: u64| Scene::new(seed).draw(320, 240);
    let (left, right) = (half(left), half(right));
    let mut rgb = Vec::new();
    for row in 0..240 {
        let row = row * 320 * 3..(row + 1) * 320 * 3;
        rgb.extend_from_slice(&left.pixels()[row.clone()]);
        rgb.extend_from_slice(&right.pixels()[row]);
    }
    encode_png(&Picture::from_rgb(PictureFormat::Png, 640, 240, rgb).unwrap()).unwrap()
}

#[test]
fn a_region_is_what_is_searched_for_in_both_of_its_forms() {
    let home = installation();
    let (_server, client) = served(&home);
    let album = Album::new(&home, &client);
    let both = side_by_side(3, 8);
    let found = |region: &str| {
        let id = upload(&client, &album.id, &format!("bounding_box={region}"), &both).unwrap();
        let vql = format!(
            "%5B%7B%22similarity%22%3A%7B%22op%22%3A%22upload%22%2C%22value%22%3A%22{id}%22%2C%22threshold%22%3A2%7D%7D%5D"
        );
        best(&client, &album.id, &format!("vql={vql}"))
    };
    let fractions = |x: f64, width: f64| {
        found(&format!(
            "%7B%22x%22%3A{x}%2C%22y%22%3A0%2C%22width%22%3A{width}%2C%22height%22%3A1%7D"
        ))
    };
    let (left, right) = (fractions(0.0, 0.5), fractions(0.5, 0.5));
    assert_eq!((left.0.as_str(), right.0.as_str()), ("03.jpg", "08.jpg"));
    // The pictures of the dataset are JPEG files, this one is not.
    assert!(left.1 < 0.05 && right.1 < 0.05, "{left:?} {right:?}");
    assert_eq!(found("0,0,320,240"), left);
    assert_eq!(found("320,0,320,240"), right);
    assert_eq!(fractions(0.5, 0.504), right, "a hair too wide is cut");
    let refused: [(&str, &[u8]); 11] = [
        ("bounding_box=320,0,400,240", &both),
        ("bounding_box=700,0,10,10", &both),
        ("bounding_box=-50,0,100,100", &both),
        (
            "bounding_box=%7B%22x%22%3A0.6%2C%22y%22%3A0%2C%22width%22%3A0.6%2C%22height%22%3A1%7D",
            &both,
        ),
        (
            "bounding_box=%7B%22x%22%3A320%2C%22y%22%3A0%2C%22width%22%3A320%2C%22height%22%3A240%7D",
            &both,
        ),
        ("bounding_box=0,0,0,240", &both),
        ("bounding_box=", &both),
        ("entity_type=VIDEOS", &both),
        ("", &both[..both.len() / 2]),
        ("", b"<html></html>"),
        ("", b""),
    ];
    for (query, bytes) in refused {
        let (status, body) = upload(&client, &album.id, query, bytes).unwrap_err();
        assert_eq!(status, 400, "{query}: {body}");
        assert!(body["detail"].is_string(), "{body}");
    }
    let (status, body) = upload(&client, &album.id, "threshold=5", &both).unwrap_err();
    assert!(status == 422 && body["detail"].is_array(), "{body}");
    let unknown = uuid::Uuid::now_v7().to_string();
    assert_eq!(upload(&client, &unknown, "", &both).unwrap_err().0, 404);
}

#[test]
fn pictures_and_objects_of_the_dataset_are_anchors_too() {
    let home = installation();
    let (_server, client) = served(&home);
    let album = Album::new(&home, &client);
    let id = album.id.as_str();
    // The anchor itself is a member with score 0, whether its kind is said or left to be found out.
    for kind in ["&anchor_type=MEDIA", ""] {
        let query = format!("anchor_media_id={}{kind}", album.media);
        assert_eq!(best(&client, id, &query), ("00.jpg".to_owned(), 0.0));
    }
    let objects = get(
        &client,
        &format!("/explore/{id}?entity_type=OBJECTS&threshold=0"),
    );
    let objects = objects["clusters"].as_array().unwrap().iter();
    let objects: Vec<Value> = objects
        .flat_map(|cluster| cluster["previews"].as_array().unwrap().clone())
        .collect();
    assert_eq!(objects.len(), PICTURES / 2);
    for object in &objects[..2] {
        let object_id = object["media_id"].as_str().unwrap();
        let query = format!("entity_type=OBJECTS&anchor_media_id={object_id}&anchor_type=MEDIA");
        let (status, page) = explore(&client, id, &query);
        let first = &page["clusters"][0]["previews"][0];
        assert_eq!((status, &first["media_id"]), (200, &object["media_id"]));
        assert_eq!(first["relevance_score"], 0.0);
        // An object among pictures, as one model made both.
        let query = format!("anchor_media_id={object_id}&anchor_type=MEDIA");
        assert_eq!(explore(&client, id, &query).0, 200);
    }
    // A crop that is sent is found among objects.
    let first = &objects[0];
    let number: usize = first["file_name"].as_str().unwrap()[..2].parse().unwrap();
    let picture = pictures::picture(number as u64).unwrap();
    let region = format!(
        "entity_type=OBJECTS&bounding_box={},20,160,120",
        10 * number
    );
    let crop = upload(&client, id, &region, &picture).unwrap();
    let query = format!("entity_type=OBJECTS&anchor_media_id={crop}&anchor_type=UPLOAD");
    let (_, page) = explore(&client, id, &query);
    let found = &page["clusters"][0]["previews"][0];
    assert_eq!(found["media_id"], first["media_id"], "{page}");
    // Of another kind, of another dataset, of nobody: all the same.
    let folder = home.data.path().join("others");
    pictures::write_mixed(&folder, 3, 0).unwrap();
    let other = crate::support::import(&home, &folder, "others");
    let other = other["dataset_id"].as_str().unwrap();
    let theirs = explore_all(&client, other, "threshold=0")[0]["previews"][0]["media_id"].clone();
    let theirs = theirs.as_str().unwrap();
    let nobodys = uuid::Uuid::now_v7().to_string();
    let (media, uploaded, nobodys) = (&album.media, &album.upload, nobodys.as_str());
    let unknown: [(&str, &str, &str); 7] = [
        (id, media, "UPLOAD"),
        (id, uploaded, "MEDIA"),
        (id, theirs, "MEDIA"),
        (id, nobodys, "MEDIA"),
        (id, nobodys, "UPLOAD"),
        (other, uploaded, "UPLOAD"),
        (other, media, "MEDIA"),
    ];
    for (dataset, anchor, kind) in unknown {
        let query = format!("anchor_media_id={anchor}&anchor_type={kind}");
        assert_unknown(explore(&client, dataset, &query));
    }
    let (status, body) = explore(&client, id, "anchor_media_id=7&anchor_type=MEDIA");
    assert!(status == 422 && body["detail"].is_array(), "{body}");
}
