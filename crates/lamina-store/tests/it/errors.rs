//! What Postgres refuses is the caller's mistake, shown with the statements that provoke it (hardening P27).

use std::time::Duration;

use lamina_store::{DatabaseOptions, ErrorClass, StoreError, connect, datasets, tags};
use lamina_types::{DatasetStatus, TagId};
use sqlx::{ConnectOptions, PgPool};

use crate::support::{dataset, new_dataset, user};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn refused_statements_have_the_right_class(pool: PgPool) {
    sqlx::query("create table unbounded (name text primary key)")
        .execute(&pool)
        .await
        .unwrap();
    for (sql, class) in [
        ("select E'\\x00'::text", ErrorClass::InvalidInput),
        (
            "select '\"\\u0000\"'::jsonb ->> 0",
            ErrorClass::InvalidInput,
        ),
        (
            "insert into unbounded select string_agg(md5(n::text), '') from generate_series(1, 400) n",
            ErrorClass::InvalidInput,
        ),
        (
            "select to_tsvector('simple', string_agg(md5(n::text), ' ')) from generate_series(1, 60000) n",
            ErrorClass::InvalidInput,
        ),
        ("select 1 offset -1", ErrorClass::InvalidInput),
        ("select 2147483647 * 2", ErrorClass::InvalidInput),
        ("select to_tsquery('a & & b')", ErrorClass::InvalidInput),
        ("select interval '1 year' * 1e300", ErrorClass::InvalidInput),
        (
            "set local statement_timeout = 1; select pg_sleep(5)",
            ErrorClass::Timeout,
        ),
        (
            "insert into users (id, name, role) values (gen_random_uuid(), '', 'admin')",
            ErrorClass::InvalidInput,
        ),
        (
            "insert into users (id, name, role) values (gen_random_uuid(), 'x', 'king')",
            ErrorClass::InvalidInput,
        ),
        (
            "insert into api_keys (id, user_id, secret_nonce, secret_ciphertext, master_key_id) \
          values ('0123456789abcdef', gen_random_uuid(), '', '', '')",
            ErrorClass::Conflict,
        ),
        ("select nothing from nowhere", ErrorClass::Internal),
    ] {
        let error = StoreError::from(sqlx::raw_sql(sql).execute(&pool).await.unwrap_err());
        assert_eq!(error.class(), class, "{sql}: {error:?}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn taken_names_are_conflicts_with_the_constraints_name(pool: PgPool) {
    let owner = user(&pool, "o").await;
    let id = dataset(&pool, &owner, DatasetStatus::Ready).await;
    let conn = &mut *pool.acquire().await.unwrap();
    tags::create(conn, id, TagId::new(), "good", owner.id)
        .await
        .unwrap();
    let error = tags::create(conn, id, TagId::new(), "good", owner.id)
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.constraint()),
        (ErrorClass::Conflict, Some("tags_name_key"))
    );
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn names_that_cannot_be_stored_are_invalid_input(pool: PgPool) {
    let owner = user(&pool, "o").await;
    for name in [String::new(), "x".repeat(256), "a\0b".to_owned()] {
        let new = datasets::NewDataset {
            display_name: name.clone(),
            ..new_dataset(owner.id, DatasetStatus::Draft)
        };
        assert_eq!(
            datasets::insert(&pool, &new).await.unwrap_err().class(),
            ErrorClass::InvalidInput,
            "{name:?}"
        );
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_full_pool_is_unavailable_after_the_acquire_timeout(pool: PgPool) {
    let options = DatabaseOptions {
        max_connections: 1,
        acquire_timeout: Duration::from_millis(50),
        ..DatabaseOptions::new(pool.connect_options().to_url_lossy().to_string())
    };
    let small = connect(&options).await.unwrap();
    let _held = small.acquire().await.unwrap();
    let error = datasets::list_all(&small).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable);
    assert!(error.is_transient());
}
