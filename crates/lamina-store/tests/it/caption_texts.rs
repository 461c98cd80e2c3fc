//! Texts of captions: each once, whoever writes the captions, and found by their words.

use lamina_store::annotations::AnnotationSource;
use lamina_store::caption_texts::{self, WordQuery};
use lamina_store::captions::{self, NewCaption};
use lamina_store::copies::{self, LeftOut};
use lamina_store::{datasets, media, removal, removal::Purge};
use lamina_types::{DatasetId, DatasetStatus, EntityType, MediaId};
use sqlx::{PgConnection, PgPool};

use crate::support::{blobs, count, dataset, principal, ready, user};

const PICTURES: EntityType = EntityType::Images;

async fn put(conn: &mut PgConnection, dataset: DatasetId, said: &[(MediaId, &str)]) {
    let rows: Vec<NewCaption> = said
        .iter()
        .map(|(id, caption)| NewCaption {
            entity_id: id.as_uuid(),
            source: AnnotationSource::User,
            caption: (*caption).to_owned(),
        })
        .collect();
    captions::put(conn, dataset, PICTURES, &rows).await.unwrap();
}

/// Ordinals of the pictures that have these words, with ranks, as a reader joins them.
async fn having(pool: &PgPool, dataset: DatasetId, words: &str) -> Vec<(u32, f32)> {
    let said = caption_texts::said(pool, dataset, PICTURES).await.unwrap();
    let query = WordQuery::Words(words.to_owned());
    let found = caption_texts::search(pool, dataset, PICTURES, &query);
    let mut having = Vec::new();
    for (text, rank) in found.await.unwrap() {
        let of_text = said.iter().filter(|(id, _)| *id == text);
        having.extend(of_text.map(|(_, ordinal)| (*ordinal, rank)));
    }
    having.sort_unstable_by_key(|(ordinal, _)| *ordinal);
    having
}

async fn ordinals(pool: &PgPool, dataset: DatasetId, words: &str) -> Vec<u32> {
    let having = having(pool, dataset, words).await;
    having.into_iter().map(|(ordinal, _)| ordinal).collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_text_is_kept_once_and_has_the_rank_of_its_caption(pool: PgPool) {
    let (folder, owner) = (tempfile::tempdir().unwrap(), user(&pool, "o").await);
    let id = ready(&pool, &blobs(&folder), &owner, 4).await;
    let other = ready(&pool, &blobs(&folder), &owner, 4).await;
    for dataset in [id, other] {
        let ids = media::all_ids(&pool, dataset).await.unwrap();
        let (dogs, cat) = ("two dogs, a dog and a boat", "a cat on a boat");
        let said = [(ids[0], dogs), (ids[1], cat), (ids[3], dogs)];
        put(&mut pool.acquire().await.unwrap(), dataset, &said).await;
    }
    let texts = "select count(*) from caption_texts";
    assert_eq!(count(&pool, texts).await, 4, "two of each dataset");
    let sql = "select m.ordinal, ts_rank(to_tsvector('english', c.caption), plainto_tsquery('english', 'boat dog')) \
               from captions c join media m on m.id = c.entity_id where m.dataset_id = $1 and m.ordinal <> 1 order by 1";
    let expected: Vec<(i32, f32)> = sqlx::query_as(sql)
        .bind(id.as_uuid())
        .fetch_all(&pool)
        .await
        .unwrap();
    let expected: Vec<(u32, f32)> = expected
        .iter()
        .map(|(n, rank)| (*n as u32, *rank))
        .collect();
    assert_eq!(having(&pool, id, "boat dogs").await, expected);
    assert_eq!(ordinals(&pool, id, "boats").await, [0, 1, 3]);
    assert_eq!(ordinals(&pool, id, "horse").await, [0_u32; 0]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn texts_follow_captions_that_change_and_those_of_copies(pool: PgPool) {
    let (folder, owner) = (tempfile::tempdir().unwrap(), user(&pool, "o").await);
    let id = ready(&pool, &blobs(&folder), &owner, 3).await;
    let ids = media::all_ids(&pool, id).await.unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    put(conn, id, &[(ids[0], "a red boat"), (ids[1], "a red house")]).await;
    let copy = dataset(&pool, &owner, DatasetStatus::Indexing).await;
    let mut tx = pool.begin().await.unwrap();
    let filled = copies::fill(&mut tx, id, copy, LeftOut::of(&[])).await;
    assert_eq!(filled.unwrap(), 3);
    tx.commit().await.unwrap();
    assert_eq!(ordinals(&pool, copy, "red").await, [0, 1]);
    // One is replaced, one comes; nobody says what the first one said before.
    put(
        conn,
        id,
        &[(ids[0], "a blue boat"), (ids[2], "a red house")],
    )
    .await;
    assert_eq!(ordinals(&pool, id, "red").await, [1, 2]);
    assert_eq!(ordinals(&pool, id, "blue").await, [0]);
    assert_eq!(ordinals(&pool, copy, "blue").await, [0_u32; 0]);
    let stale = "select count(*) from caption_texts t where not exists (select from captions c \
                 where c.dataset_id = t.dataset_id and c.text_sha256 = t.text_sha256)";
    assert_eq!(count(&pool, stale).await, 1);
}

/// Two writers of the same texts in different order, at the same time: neither loses any, and they do not wait in a circle.
#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn writers_of_the_same_texts_wait_for_each_other(pool: PgPool) {
    let (folder, owner) = (tempfile::tempdir().unwrap(), user(&pool, "o").await);
    let id = ready(&pool, &blobs(&folder), &owner, 40).await;
    let ids = media::all_ids(&pool, id).await.unwrap();
    let texts: Vec<String> = (0..20).map(|n| format!("number{n} of all")).collect();
    let write = |first: usize, is_backwards: bool| {
        let (pool, mine, texts) = (pool.clone(), ids[first..first + 20].to_vec(), texts.clone());
        async move {
            let order = |n: usize| if is_backwards { 19 - n } else { n };
            let said: Vec<(MediaId, &str)> = (0..20)
                .map(|n| (mine[n], texts[order(n)].as_str()))
                .collect();
            let mut tx = pool.begin().await.unwrap();
            put(&mut tx, id, &said).await;
            tx.commit().await.unwrap();
        }
    };
    tokio::join!(write(0, false), write(20, true));
    assert_eq!(count(&pool, "select count(*) from caption_texts").await, 20);
    assert_eq!(ordinals(&pool, id, "number3").await, [3, 36]);
    // One that gives up takes its texts with it, and the one that waited has them.
    let mut lost = pool.begin().await.unwrap();
    put(&mut lost, id, &[(ids[0], "a zebra")]).await;
    let mut conn = pool.acquire().await.unwrap();
    let said = [(ids[1], "a zebra")];
    let ((), rolled_back) = tokio::join!(put(&mut conn, id, &said), lost.rollback());
    rolled_back.unwrap();
    assert_eq!(ordinals(&pool, id, "zebra").await, [1]);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn texts_go_with_their_dataset(pool: PgPool) {
    let (folder, owner) = (tempfile::tempdir().unwrap(), user(&pool, "o").await);
    let id = ready(&pool, &blobs(&folder), &owner, 5).await;
    let ids = media::all_ids(&pool, id).await.unwrap();
    let texts: Vec<String> = (0..5).map(|n| format!("text {n}")).collect();
    let said: Vec<(MediaId, &str)> = ids
        .iter()
        .copied()
        .zip(texts.iter().map(String::as_str))
        .collect();
    put(&mut pool.acquire().await.unwrap(), id, &said).await;
    let access = datasets::access(&pool, Some(&principal(&owner)), id).await;
    datasets::mark_deleted(&pool, &access.unwrap().unwrap())
        .await
        .unwrap();
    let conn = &mut *pool.acquire().await.unwrap();
    let mut left = Vec::new();
    while let Purge::More = removal::purge(conn, id, 2).await.unwrap() {
        left.push(count(&pool, "select count(*) from caption_texts").await);
    }
    left.dedup();
    assert_eq!(left, [5, 3, 1, 0], "in small steps");
}
