//! Objects through the router: found by their id, cut out of their pictures behind signed links.

use bytes::Bytes;
use lamina_media::demo::encode_png;
use lamina_media::{DecodeLimits, Picture, PictureFormat, THUMBNAIL_SIDE, content_hash, decode};
use lamina_store::Role;
use lamina_types::{BoundingBox, DatasetId, DatasetStatus, EntityType, MediaId, ObjectId};
use serde_json::json;
use sqlx::PgPool;

use crate::app::{TestApp, TestUser};
use crate::fake::media_view;

fn two_colours(width: u32, height: u32) -> Vec<u8> {
    let colour = |n: u32| match n % width < width / 2 {
        true => [220, 30, 30],
        false => [30, 30, 220],
    };
    let rgb = (0..width * height).flat_map(colour).collect();
    let picture = Picture::from_rgb(PictureFormat::Png, width, height, rgb).unwrap();
    encode_png(&picture).unwrap()
}

/// A stored picture of 1,200 x 600 pixels, red on the left and blue on the right.
async fn wide_picture(app: &TestApp, owner: &TestUser) -> (DatasetId, MediaId, i64) {
    let dataset = app.dataset(owner, DatasetStatus::Ready).await;
    let file = two_colours(1_200, 600);
    let (hash, media) = (content_hash(&file), MediaId::new());
    let bytes = Bytes::from(file.clone());
    let stored = app.blobs.put_content(owner.user.id, hash, bytes);
    stored.await.unwrap();
    let small = decode(&file, &DecodeLimits::default()).unwrap();
    let small = lamina_media::thumbnail(&small).unwrap();
    let stored = app.blobs.put_thumbnail(owner.user.id, hash, small.into());
    stored.await.unwrap();
    let content: i64 = sqlx::query_scalar(
        "insert into contents (owner_id, sha256, byte_size, format, width, height, has_original) \
         values ($1, $2, $3, 'png', 1200, 600, true) returning id",
    )
    .bind(owner.user.id.as_uuid())
    .bind(hash.as_bytes().as_slice())
    .bind(file.len() as i64)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    sqlx::query("insert into media (id, dataset_id, ordinal, content_id, file_name, original_uri) values ($1, $2, 0, $3, 'a.png', 'b/a.png')")
        .bind(media.as_uuid())
        .bind(dataset.as_uuid())
        .bind(content)
        .execute(&app.pool)
        .await
        .unwrap();
    (dataset, media, content)
}

async fn object(
    app: &TestApp,
    (dataset, media, content): (DatasetId, MediaId, i64),
    ordinal: i32,
    area: [f64; 4],
) -> ObjectId {
    let region: i64 = sqlx::query_scalar(
        "insert into regions (content_id, x, y, width, height) values ($1, $2, $3, $4, $5) returning id",
    )
    .bind(content)
    .bind(area[0])
    .bind(area[1])
    .bind(area[2])
    .bind(area[3])
    .fetch_one(&app.pool)
    .await
    .unwrap();
    let id = ObjectId::new();
    sqlx::query(
        "insert into objects (id, dataset_id, ordinal, media_id, label, confidence, source, region_id) \
         values ($1, $2, $3, $4, 'flag', 0.75, 'Visual Layer', $5)",
    )
    .bind(id.as_uuid())
    .bind(dataset.as_uuid())
    .bind(ordinal)
    .bind(media.as_uuid())
    .bind(region)
    .execute(&app.pool)
    .await
    .unwrap();
    id
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_object_is_cut_out_of_its_picture(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let picture = wide_picture(&app, &ada).await;
    let (dataset, media, _) = picture;
    // One as large as its picture's thumbnail shows well, one of which it shows 17 pixels.
    for (ordinal, area) in [
        (0, [0.5, 0.0, 0.5, 1.0]),
        (1, [0.9, 0.5, 1.0 / 30.0, 1.0 / 30.0]),
    ] {
        let id = object(&app, picture, ordinal, area).await;
        let [x, y, width, height] = area;
        let shown = lamina_explore::MediaView {
            entity_type: EntityType::Objects,
            image_id: media.as_uuid(),
            bounding_box: Some(BoundingBox {
                x,
                y,
                width,
                height,
            }),
            confidence: Some(0.75),
            ..media_view(id.as_uuid(), None)
        };
        *app.read_side.members.lock().unwrap() = vec![shown];
        let path = format!("/api/v1/explore/{dataset}?entity_type=OBJECTS");
        let answer = app.get(&path, &ada).await.json();
        let preview = answer["clusters"][0]["previews"][0].clone();
        assert_eq!(preview["type"], "OBJECT");
        assert_eq!(preview["confidence"], 0.75);
        assert_eq!(
            preview["bounding_box"],
            json!({"x": x, "y": y, "width": width, "height": height})
        );
        let link = |name: &str| {
            let link = preview[name].as_str().unwrap().to_owned();
            link.replace("http://lamina.test:2080", "")
        };
        assert!(link("image_uri").contains(&format!("/{media}/original")));
        let size = [
            (width * 1_200.0).round() as u32,
            (height * 600.0).round() as u32,
        ];
        let small = if ordinal == 0 {
            [THUMBNAIL_SIDE / 2; 2]
        } else {
            size
        };
        for (link, [width, height]) in [
            (link("media_uri"), size),
            (link("media_thumb_uri"), small),
            (link("media_thumb_uri"), small),
        ] {
            let file = app.call("GET", &link, None).await;
            assert_eq!(
                file.headers["content-type"],
                "image/webp",
                "{}",
                file.text()
            );
            let picture = decode(&file.body, &DecodeLimits::default()).unwrap();
            assert_eq!(
                (picture.format, picture.width, picture.height),
                (PictureFormat::Webp, width, height)
            );
            let middle = (picture.pixels().len() / 6) * 3;
            let [red, _, blue] = picture.pixels()[middle..middle + 3] else {
                panic!()
            };
            assert!(blue > 150 && red < 100, "it is the blue side");
            let forged = link.replace("/crop", "/thumb");
            assert_eq!(app.call("GET", &forged, None).await.code(), 404);
        }
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_picture_tells_its_objects_and_an_object_is_found_by_its_id(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let picture = wide_picture(&app, &ada).await;
    let id = object(&app, picture, 0, [0.25, 0.25, 0.5, 0.5]).await;
    let whole = app
        .get(&format!("/api/v1/image/{}", picture.1), &ada)
        .await
        .json();
    assert_eq!(
        whole["objects"],
        json!([{"object_id": id.to_string(), "label": "flag", "confidence": 0.75,
            "bounding_box": {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, "source": "Visual Layer"}])
    );
    let path = format!("/api/v1/image/{id}");
    let alone = app.get(&path, &ada).await.json();
    assert_eq!(
        (&alone["media_id"], &alone["objects"]),
        (&json!(id.to_string()), &json!([]))
    );
    let bob = app.user("bob", Role::Editor).await;
    assert_eq!(app.get(&path, &bob).await.code(), 404);
    assert_eq!(app.call("GET", &path, None).await.code(), 401);
}
