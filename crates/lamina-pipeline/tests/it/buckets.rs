//! Files from buckets and addresses, against a real bucket server on the loopback.

use lamina_store::remote::{BucketKeys, BucketRule, DEFAULT_REGION, Remotes, WebRules};
use lamina_store::{Secret, source_items};
use lamina_testkit::bucket::BucketServer;
use lamina_testkit::hub::{FakeHub, File, content_of, status};
use lamina_testkit::pictures::picture;
use lamina_types::{DatasetId, DatasetStatus, IngestSource, RejectReason};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::world::World;

const KEY: &str = "AKIALAMINATEST";
const SECRET: &str = "canary-5ecret-of-the-bucket";

fn rule(server: &BucketServer, secret: Option<&str>) -> BucketRule {
    BucketRule {
        name: "photos".to_owned(),
        endpoint: Some(server.endpoint()),
        region: DEFAULT_REGION.to_owned(),
        keys: secret.map(|secret| BucketKeys {
            access_key_id: KEY.to_owned(),
            secret_access_key: Secret::new(secret.to_owned()),
            session_token: None,
        }),
        path_style: true,
        ca_file: None,
    }
}

/// A world that may read the bucket `photos` of this server.
fn world_with(pool: PgPool, rule: BucketRule) -> World {
    let mut world = World::new(pool);
    let remotes = Remotes::new(vec![rule], WebRules::default()).unwrap();
    world.workshop = world.workshop.clone().with_remotes(remotes);
    world
}

fn bucket(prefix: &str) -> IngestSource {
    IngestSource::Bucket {
        bucket: "photos".to_owned(),
        prefix: prefix.to_owned(),
    }
}

async fn rejected(world: &World, id: DatasetId) -> Vec<(String, RejectReason, String)> {
    let rows = source_items::rejected(&world.pool, id, None, 100)
        .await
        .unwrap();
    rows.into_iter()
        .map(|row| (row.original_uri, row.rejection.reason, row.rejection.detail))
        .collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_private_bucket_opens_to_the_right_keys_only(pool: PgPool) {
    let server = BucketServer::start(Some((KEY, SECRET)));
    for number in 0..3 {
        server.put(
            "photos",
            &format!("trip/{number}.jpg"),
            &picture(number).unwrap(),
        );
    }
    server.put("photos", "trip/.hidden.jpg", b"x");
    server.put("photos", "trip/annotations.json", b"{}");
    server.put("photos", "trip/note.txt.jpg", b"no picture");
    server.put("photos", "tripod/other.jpg", &picture(9).unwrap());

    let world = world_with(pool.clone(), rule(&server, Some(SECRET)));
    let ada = world.user("ada").await;
    let id = world.begin(&ada, bucket("trip"), Vec::new()).await;
    world.work().await;
    let dataset = world.find(id).await;
    assert_eq!(
        (dataset.status, dataset.n_images),
        (DatasetStatus::Ready, 3),
        "{:?}",
        dataset.fatal_error_msg
    );
    assert_eq!(
        rejected(&world, id).await.len(),
        1,
        "the one that is no picture"
    );
    world.assert_clean().await;

    for wrong in [Some("another-secret-altogether"), None] {
        let world = world_with(pool.clone(), rule(&server, wrong));
        let id = world.begin(&ada, bucket("trip"), Vec::new()).await;
        world.work().await;
        let dataset = world.find(id).await;
        assert_eq!(dataset.status, DatasetStatus::Error);
        let message = dataset.fatal_error_msg.unwrap();
        assert!(message.contains("\"photos\" refused access"), "{message}");
    }
    // Neither the secret nor the name of the key is in any row.
    let rows: Vec<String> = sqlx::query_scalar(
        "select j::text from jobs j union all select s::text from job_states s union all select c::text from job_chunks c \
         union all select d::text from datasets d union all select i::text from source_items i",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(rows.len() > 9);
    for canary in [SECRET, KEY, "another-secret"] {
        assert!(!rows.iter().any(|row| row.contains(canary)), "{canary}");
    }
    assert!(!format!("{:?}", world.workshop).contains(SECRET));
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_public_bucket_needs_no_keys_and_what_is_not_there_is_said(pool: PgPool) {
    let server = BucketServer::start(None);
    server.put("photos", "a/1.jpg", &picture(1).unwrap());
    let world = world_with(pool, rule(&server, None));
    let ada = world.user("ada").await;
    let whole = world.begin(&ada, bucket(""), Vec::new()).await;
    let empty = world.begin(&ada, bucket("nothing/"), Vec::new()).await;
    let mut elsewhere = rule(&server, None);
    elsewhere.name = "absent".to_owned();
    world.work().await;
    assert_eq!(world.find(whole).await.status, DatasetStatus::Ready);
    let empty = world.find(empty).await;
    assert_eq!(
        empty.fatal_error_msg.as_deref(),
        Some("The source holds no files.")
    );

    let remotes = Remotes::new(vec![elsewhere], WebRules::default()).unwrap();
    let mut world = world;
    world.workshop = world.workshop.clone().with_remotes(remotes);
    let absent = IngestSource::Bucket {
        bucket: "absent".to_owned(),
        prefix: String::new(),
    };
    let absent = world.begin(&ada, absent, Vec::new()).await;
    let closed = world.begin(&ada, bucket(""), Vec::new()).await;
    world.work().await;
    let message = world.find(absent).await.fatal_error_msg.unwrap();
    assert!(
        message.contains("there is no bucket \"absent\""),
        "{message}"
    );
    let message = world.find(closed).await.fatal_error_msg.unwrap();
    assert!(message.contains("not open to this server"), "{message}");
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn ten_thousand_objects_are_listed_in_pages_and_an_interrupted_listing_goes_on(pool: PgPool) {
    const OBJECTS: usize = 10_000;
    let server = BucketServer::start(Some((KEY, SECRET)));
    let bytes: Vec<Vec<u8>> = (0..8).map(|number| picture(number).unwrap()).collect();
    for number in 0..OBJECTS {
        server.put(
            "photos",
            &format!("{:02}/{number:05}.jpg", number % 37),
            &bytes[number % 8],
        );
    }
    let mut world = world_with(pool, rule(&server, Some(SECRET)));
    world.workshop.chunk_files = 1_000;
    let ada = world.user("ada").await;
    let id = world.begin(&ada, bucket(""), Vec::new()).await;
    // The server goes away behind the third page.
    server.answer_only(Some(3));
    let (runner, stop) = (world.runner(), CancellationToken::new());
    assert!(runner.run_one(&stop).await.unwrap());
    let stored = "select count(*) from source_items where dataset_id = $1";
    assert_eq!(world.count(stored, id).await, 3_000);
    assert_eq!(world.find(id).await.status, DatasetStatus::Indexing);
    assert_eq!(server.listings().len(), 3);

    server.answer_only(None);
    world.work().await;
    let dataset = world.find(id).await;
    assert_eq!(
        (dataset.status, dataset.n_images),
        (DatasetStatus::Ready, OBJECTS as u32),
        "{:?}",
        dataset.fatal_error_msg
    );
    let listings = server.listings();
    assert_eq!(listings.len(), 10, "no page came twice: {listings:?}");
    assert!(listings[3].contains("start-after="), "{}", listings[3]);
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn an_object_that_vanished_since_the_listing_is_a_row_with_a_reason(pool: PgPool) {
    let server = BucketServer::start(Some((KEY, SECRET)));
    for number in 0..3 {
        server.put(
            "photos",
            &format!("{number}.jpg"),
            &picture(number).unwrap(),
        );
    }
    let world = world_with(pool, rule(&server, Some(SECRET)));
    let ada = world.user("ada").await;
    let id = world.begin(&ada, bucket(""), Vec::new()).await;
    let (runner, stop) = (world.runner(), CancellationToken::new());
    assert!(runner.run_one(&stop).await.unwrap(), "listed");
    server.remove("photos", "1.jpg");
    world.work().await;
    let dataset = world.find(id).await;
    assert_eq!(
        (dataset.status, dataset.n_images),
        (DatasetStatus::Ready, 2)
    );
    let rows = rejected(&world, id).await;
    assert_eq!(
        rows,
        [(
            "1.jpg".to_owned(),
            RejectReason::Unreadable,
            "there is nothing at this address any more".to_owned()
        )]
    );
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn lists_in_buckets_and_at_addresses_name_files_beside_them_and_elsewhere(pool: PgPool) {
    let server = BucketServer::start(Some((KEY, SECRET)));
    let mut files = std::collections::BTreeMap::new();
    for number in 0..3 {
        server.put(
            "photos",
            &format!("sets/{number}.jpg"),
            &picture(number).unwrap(),
        );
        files.insert(format!("{number}.jpg"), picture(number + 10).unwrap());
    }
    files.insert(
        "list.txt".to_owned(),
        b"0.jpg\nimages/1.jpg?signature=canary\ns3://photos/sets/0.jpg\n/etc/passwd\nhttp://169.254.169.254/x.jpg\n9.jpg\n"
            .to_vec(),
    );
    let hub = FakeHub::new(move |request, stream| {
        let path = request.path.split('?').next().unwrap();
        match content_of(&files, path) {
            Some(bytes) => File::new(bytes).send(request, stream),
            None => status(stream, 404, ""),
        }
    });
    let host = hub.base.trim_start_matches("http://").to_owned();
    let csv = format!(
        "label,filename\ncar,0.jpg\ncar,0.jpg\nboat,/sets/1.jpg\nboat,{}/2.jpg\n",
        hub.base
    );
    server.put("photos", "sets/list.csv", csv.as_bytes());

    let mut world = World::new(pool);
    let web = WebRules {
        hosts: vec![host],
        private: vec!["127.0.0.0/8".parse().unwrap()],
    };
    let remotes = Remotes::new(vec![rule(&server, Some(SECRET))], web).unwrap();
    world.workshop = world.workshop.clone().with_remotes(remotes);
    let ada = world.user("ada").await;
    let list = |address: String| IngestSource::RemoteList { address };
    let in_bucket = world
        .begin(
            &ada,
            list("s3://photos/sets/list.csv".to_owned()),
            Vec::new(),
        )
        .await;
    let at_address = world
        .begin(&ada, list(format!("{}/a/list.txt", hub.base)), Vec::new())
        .await;
    world.work().await;
    let dataset = world.find(in_bucket).await;
    assert_eq!(
        (dataset.status, dataset.n_images),
        (DatasetStatus::Ready, 3),
        "{:?} {:?}",
        dataset.fatal_error_msg,
        rejected(&world, in_bucket).await
    );
    let dataset = world.find(at_address).await;
    assert_eq!(
        (dataset.status, dataset.n_images),
        (DatasetStatus::Ready, 3),
        "{:?} {:?}",
        dataset.fatal_error_msg,
        rejected(&world, at_address).await
    );
    let rows = rejected(&world, at_address).await;
    let reasons: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row.0.as_str(), row.2.as_str()))
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_eq!(reasons[0].0, "/etc/passwd");
    assert!(reasons[1].1.contains("not open"), "{reasons:?}");
    assert!(
        reasons[2].1.contains("nothing at this address"),
        "{reasons:?}"
    );
    let shown: Vec<String> =
        sqlx::query_scalar("select original_uri from media where dataset_id = $1")
            .bind(at_address.as_uuid())
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert!(!shown.iter().any(|uri| uri.contains("canary")), "{shown:?}");
    world.assert_clean().await;
}
