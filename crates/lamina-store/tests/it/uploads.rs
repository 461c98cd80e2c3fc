//! Upload transactions: any number of adds, one processing.

use lamina_store::{ErrorClass, StoreError, uploads, uploads::UploadFile};
use lamina_types::{ContentHash, DatasetStatus};
use sqlx::PgPool;

use crate::support::{dataset, user};

fn files(names: &[&str]) -> Vec<UploadFile> {
    names
        .iter()
        .map(|name| UploadFile {
            file_name: (*name).to_owned(),
            hash: ContentHash::from_bytes([7; 32]),
            byte_size: 12,
        })
        .collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn files_keep_their_order_and_their_names_and_processing_happens_once(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Draft).await;
    let other = dataset(&pool, &owner, DatasetStatus::Draft).await;
    let trans = uploads::open(&pool, id).await.unwrap();
    assert!(trans > 0);
    let mut conn = pool.acquire().await.unwrap();
    uploads::add_files(&mut conn, id, trans, &files(&["b.jpg", "a.jpg"]))
        .await
        .unwrap();
    uploads::add_files(&mut conn, id, trans, &files(&["b.jpg"]))
        .await
        .unwrap();
    let names: Vec<String> = uploads::files(&pool, trans, 1, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|file| file.file_name)
        .collect();
    assert_eq!(names, ["a.jpg", "b.jpg"]);
    assert_eq!(uploads::count(&pool, trans).await.unwrap(), 3);
    assert!(
        uploads::find(&pool, other, trans).await.unwrap().is_none(),
        "bound to its dataset"
    );
    assert_eq!(
        uploads::close(&mut conn, other, trans)
            .await
            .unwrap_err()
            .class(),
        ErrorClass::NotFound
    );
    assert_eq!(
        uploads::add_files(&mut conn, other, trans, &files(&["x"]))
            .await
            .unwrap_err()
            .class(),
        ErrorClass::NotFound
    );
    assert_eq!(uploads::close(&mut conn, id, trans).await.unwrap(), 3);
    assert!(matches!(
        uploads::close(&mut conn, id, trans).await,
        Err(StoreError::UploadClosed(_))
    ));
    let late = uploads::add_files(&mut conn, id, trans, &files(&["late.jpg"]))
        .await
        .unwrap_err();
    assert_eq!(late.class(), ErrorClass::Conflict);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn adds_beside_processing_are_either_counted_or_refused(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Draft).await;
    let trans = uploads::open(&pool, id).await.unwrap();
    let adds = (0..12).map(|_| {
        let pool = pool.clone();
        async move {
            let mut tx = pool.begin().await.unwrap();
            let added = uploads::add_files(&mut tx, id, trans, &files(&["x", "y"])).await;
            tx.commit().await.unwrap();
            i64::from(added.is_ok()) * 2
        }
    });
    let close = async {
        let mut tx = pool.begin().await.unwrap();
        let count = uploads::close(&mut tx, id, trans).await.unwrap();
        tx.commit().await.unwrap();
        count
    };
    let (added, counted) = tokio::join!(futures::future::join_all(adds), close);
    assert_eq!(added.iter().sum::<i64>(), counted);
    assert_eq!(uploads::count(&pool, trans).await.unwrap(), counted);
}
