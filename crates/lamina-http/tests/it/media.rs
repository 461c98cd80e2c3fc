//! Signed links through the router: what they open, what they do not, how the answer is protected.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, header};
use lamina_media::content_hash;
use lamina_store::{Role, datasets};
use lamina_types::{DatasetId, DatasetStatus, MediaId};
use sqlx::PgPool;
use uuid::Uuid;

use crate::app::{PNG, TestApp, TestUser};
use crate::fake::media_view;

const THUMB: &[u8] = b"RIFF....WEBP";

/// A dataset with one stored picture.
pub async fn picture(app: &TestApp, owner: &TestUser) -> (DatasetId, MediaId) {
    let dataset = app.dataset(owner, DatasetStatus::Ready).await;
    let media = MediaId::new();
    let hash = content_hash(PNG);
    app.blobs
        .put_content(owner.user.id, hash, Bytes::from_static(PNG))
        .await
        .unwrap();
    app.blobs
        .put_thumbnail(owner.user.id, hash, Bytes::from_static(THUMB))
        .await
        .unwrap();
    let content: i64 = sqlx::query_scalar(
        "insert into contents (owner_id, sha256, byte_size, format, width, height, has_original) \
         values ($1, $2, $3, 'png', 1, 1, true) on conflict (owner_id, sha256) do update set format = 'png' returning id",
    )
    .bind(owner.user.id.as_uuid())
    .bind(hash.as_bytes().as_slice())
    .bind(PNG.len() as i64)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    sqlx::query("insert into media (id, dataset_id, ordinal, content_id, file_name, original_uri) values ($1, $2, 0, $3, 'evil.html', 'evil.html')")
        .bind(media.as_uuid())
        .bind(dataset.as_uuid())
        .bind(content)
        .execute(&app.pool)
        .await
        .unwrap();
    (dataset, media)
}

/// Links of the one picture as an answer gives them, without the origin: original, thumbnail.
async fn links(
    app: &TestApp,
    owner: &TestUser,
    dataset: DatasetId,
    media: MediaId,
) -> (String, String) {
    *app.read_side.members.lock().unwrap() = vec![media_view(media.as_uuid(), None)];
    let answer = app
        .get(&format!("/api/v1/explore/{dataset}"), owner)
        .await
        .json();
    let link = |name: &str| {
        let link = answer["clusters"][0]["previews"][0][name].as_str().unwrap();
        link.strip_prefix("http://lamina.test:2080")
            .unwrap()
            .to_owned()
    };
    (link("media_uri"), link("media_thumb_uri"))
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_link_opens_its_picture_without_a_token(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = picture(&app, &ada).await;
    let (original, thumb) = links(&app, &ada, dataset, media).await;

    let answer = app.call("GET", &original, None).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, PNG));
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-type"),
        "image/png",
        "what was detected, whatever the name says"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(
        header("content-security-policy"),
        "sandbox; default-src 'none'"
    );
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(header("cache-control").starts_with("private, max-age="));
    let etag = header("etag");

    let answer = app.call("GET", &thumb, None).await;
    assert_eq!(
        (
            answer.body.as_slice(),
            answer.headers[header::CONTENT_TYPE].to_str().unwrap()
        ),
        (THUMB, "image/webp")
    );
    assert_ne!(answer.headers[header::ETAG].to_str().unwrap(), etag);

    let head = app.call("HEAD", &original, None).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(
        head.headers[header::CONTENT_LENGTH].to_str().unwrap(),
        PNG.len().to_string()
    );
    let known = Request::builder()
        .uri(&original)
        .header(header::IF_NONE_MATCH, &etag)
        .body(Body::empty())
        .unwrap();
    let known = app.send(known).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    let range = Request::builder()
        .uri(&original)
        .header(header::RANGE, "bytes=99999-")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        app.send(range).await.body,
        PNG,
        "ranges are not served: the whole picture is"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn no_changed_link_opens_anything(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = picture(&app, &ada).await;
    let (other_dataset, other_media) = picture(&app, &ada).await;
    let (original, _) = links(&app, &ada, dataset, media).await;
    let (path, query) = original.split_once('?').unwrap();
    let (expiry, signature) = query.strip_prefix("e=").unwrap().split_once("&s=").unwrap();
    let later = (expiry.parse::<i64>().unwrap() + 3_600).to_string();
    let (dataset_text, media_text) = (dataset.to_string(), media.to_string());
    let past = "1700000000";
    let wrong = [
        original.replace(&media_text, &other_media.to_string()),
        original.replace(&dataset_text, &other_dataset.to_string()),
        original.replace(&media_text, &Uuid::now_v7().to_string()),
        original.replace("/original", "/thumb"),
        original.replace("/original", "/Original"),
        original.replace("/original", "/raw"),
        original.replace("/original", "/original/"),
        original.replace("/original", "/..%2foriginal"),
        original.replace("/original", "%2Foriginal"),
        original.replace(&media_text, &media_text.to_uppercase()) + "x",
        path.to_owned(),
        format!("{path}?"),
        format!("{path}?e={expiry}"),
        format!("{path}?s={signature}"),
        format!("{path}?e={later}&s={signature}"),
        format!("{path}?e={past}&s={signature}"),
        format!("{path}?e=0{expiry}&s={signature}"),
        format!("{path}?e=%2B{expiry}&s={signature}"),
        format!("{path}?e=-{expiry}&s={signature}"),
        format!("{path}?e={expiry}.0&s={signature}"),
        format!("{path}?e={expiry}&s="),
        format!("{path}?e={expiry}&s={signature}%3D"),
        format!("{path}?e={expiry}&s={signature}%00"),
        format!("{path}?e={expiry}&s={signature}&e={later}"),
        format!("{path}?e={expiry}&s={signature}&s=x"),
        format!("{path}?E={expiry}&S={signature}"),
        format!("{path}?e={expiry}&s={}", signature.to_lowercase()),
        format!("{path}?e={expiry}&s={}", &signature[1..]),
        format!("/media/{dataset}/{media}"),
        format!("/media/{dataset}//original?{query}"),
        format!("/media/../media/{dataset}/{media}/original?{query}"),
    ];
    for link in &wrong {
        let answer = app.call("GET", link, None).await;
        assert_eq!(answer.code(), 404, "{link}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        assert_eq!(app.call(method, &original, None).await.code(), 405);
    }
    assert_eq!(
        app.call("GET", &original, None).await.status,
        200,
        "the link itself still works"
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn links_end_with_their_epoch_and_their_dataset(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = picture(&app, &ada).await;
    let (old, _) = links(&app, &ada, dataset, media).await;
    datasets::bump_link_epoch(&app.pool, dataset).await.unwrap();
    assert_eq!(app.call("GET", &old, None).await.code(), 404);
    let (fresh, thumb) = links(&app, &ada, dataset, media).await;
    assert_eq!(app.call("GET", &fresh, None).await.status, 200);
    app.call("DELETE", &format!("/api/v1/dataset/{dataset}"), Some(&ada))
        .await;
    assert_eq!(app.call("GET", &fresh, None).await.code(), 404);
    assert_eq!(app.call("GET", &thumb, None).await.code(), 404);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn originals_left_in_place_are_served_only_while_they_are_the_same(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = picture(&app, &ada).await;
    let place = app.photos.join("a.png");
    fs_err::write(&place, PNG).unwrap();
    sqlx::query("update contents set has_original = false")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query("update media set source_path = $1")
        .bind(place.to_str().unwrap())
        .execute(&app.pool)
        .await
        .unwrap();
    app.blobs
        .delete_content(ada.user.id, content_hash(PNG))
        .await
        .unwrap();
    let (original, _) = links(&app, &ada, dataset, media).await;
    assert_eq!(app.call("GET", &original, None).await.body, PNG);
    let mut other = PNG.to_vec();
    other[40] ^= 1;
    fs_err::write(&place, &other).unwrap();
    assert_eq!(app.call("GET", &original, None).await.code(), 404);
    fs_err::remove_file(&place).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &place).unwrap();
    assert_eq!(app.call("GET", &original, None).await.code(), 404);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn pictures_that_were_seen_stay_visible_while_the_database_is_away(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let ada = app.user("ada", Role::Editor).await;
    let (dataset, media) = picture(&app, &ada).await;
    let (original, thumb) = links(&app, &ada, dataset, media).await;
    assert_eq!(app.call("GET", &original, None).await.status, 200);
    app.pool.close().await;
    assert_eq!(app.call("GET", &original, None).await.body, PNG);
    assert_eq!(app.call("GET", &thumb, None).await.body, THUMB);
    assert_eq!(
        app.call("GET", &format!("{original}x"), None).await.code(),
        404,
        "still only what was signed"
    );
    let unseen = original.replace(&media.to_string(), &Uuid::now_v7().to_string());
    assert_eq!(app.call("GET", &unseen, None).await.code(), 503);
}
