//! Who sees what, and keys that stop working at once.

use chrono::{Duration, Utc};
use lamina_store::{
    Role, Secrets, datasets, datasets::Right, keys, keys::NewKey, shares, shares::ShareRole, users,
};
use lamina_types::{DatasetId, DatasetStatus, UserId};
use sqlx::PgPool;

use crate::support::{dataset, principal, user};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_dataset_is_seen_by_owner_shares_and_if_public_by_all(pool: PgPool) {
    let (owner, friend, stranger) = (
        user(&pool, "o").await,
        user(&pool, "f").await,
        user(&pool, "s").await,
    );
    let admin = users::create(&pool, UserId::new(), "a", None, Role::Admin)
        .await
        .unwrap();
    let id = dataset(&pool, &owner, DatasetStatus::Ready).await;
    let right = async |who: Option<&lamina_store::Principal>| {
        datasets::access(&pool, who, id)
            .await
            .unwrap()
            .map(|access| access.right())
    };
    assert_eq!(right(Some(&principal(&owner))).await, Some(Right::Owner));
    for who in [&friend, &stranger, &admin] {
        assert_eq!(
            right(Some(&principal(who))).await,
            None,
            "{} is not the owner",
            who.name
        );
    }
    assert_eq!(right(None).await, None);
    // The implicit user of no-auth mode owns everything.
    assert_eq!(
        right(Some(&admin.implicit_principal())).await,
        Some(Right::Owner)
    );

    let access = datasets::access(&pool, Some(&principal(&owner)), id)
        .await
        .unwrap()
        .unwrap();
    shares::put(&pool, &access, friend.id, ShareRole::Viewer)
        .await
        .unwrap();
    assert_eq!(right(Some(&principal(&friend))).await, Some(Right::Viewer));
    shares::put(&pool, &access, friend.id, ShareRole::Editor)
        .await
        .unwrap();
    assert_eq!(right(Some(&principal(&friend))).await, Some(Right::Editor));
    assert_eq!(
        shares::list(&pool, id).await.unwrap(),
        [(friend.id, ShareRole::Editor)]
    );
    let epoch = access.dataset().link_epoch;
    assert!(shares::remove(&pool, &access, friend.id).await.unwrap());
    assert!(!shares::remove(&pool, &access, friend.id).await.unwrap());
    assert_eq!(right(Some(&principal(&friend))).await, None);
    assert_eq!(
        datasets::find(&pool, id).await.unwrap().unwrap().link_epoch,
        epoch + 1,
        "unsharing ends links"
    );

    datasets::set_public(&pool, &access, true).await.unwrap();
    assert_eq!(right(None).await, Some(Right::Public));
    assert_eq!(
        right(Some(&principal(&stranger))).await,
        Some(Right::Public)
    );
    assert_eq!(right(Some(&principal(&owner))).await, Some(Right::Owner));
    assert!(!Right::Public.may_edit() && Right::Editor.may_edit() && !Right::Editor.may_manage());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn lists_show_own_and_shared_newest_first(pool: PgPool) {
    let (owner, friend) = (user(&pool, "o").await, user(&pool, "f").await);
    let first = dataset(&pool, &owner, DatasetStatus::Ready).await;
    let second = dataset(&pool, &owner, DatasetStatus::Ready).await;
    let list = async |who: &lamina_store::Principal| -> Vec<DatasetId> {
        datasets::list_visible(&pool, who)
            .await
            .unwrap()
            .iter()
            .map(datasets::DatasetAccess::id)
            .collect()
    };
    assert_eq!(list(&principal(&owner)).await, [second, first]);
    assert!(list(&principal(&friend)).await.is_empty());
    let access = datasets::access(&pool, Some(&principal(&owner)), first)
        .await
        .unwrap()
        .unwrap();
    shares::put(&pool, &access, friend.id, ShareRole::Viewer)
        .await
        .unwrap();
    assert_eq!(list(&principal(&friend)).await, [first]);
    assert_eq!(list(&friend.implicit_principal()).await, [second, first]);
    assert!(datasets::mark_deleted(&pool, &access).await.unwrap());
    assert!(!datasets::mark_deleted(&pool, &access).await.unwrap());
    assert_eq!(list(&principal(&owner)).await, [second]);
    assert!(
        datasets::access(&pool, Some(&principal(&owner)), first)
            .await
            .unwrap()
            .is_none()
    );
    assert!(datasets::find(&pool, first).await.unwrap().is_none());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn keys_work_until_revoked_expired_or_their_user_is_gone(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::load_or_create(&folder.path().join("keys.json")).unwrap();
    let owner = user(&pool, "o").await;
    let other = user(&pool, "x").await;
    let (key, secret) = keys::create(&pool, &secrets, owner.id, &NewKey::default())
        .await
        .unwrap();
    assert!(key.id.len() >= 20 && secret.expose().len() == 43);
    let live = keys::live(&pool, &key.id).await.unwrap().unwrap();
    assert_eq!(live.principal, owner.principal());
    assert_eq!(live.secret(&secrets).unwrap().expose(), secret.expose());
    assert!(!format!("{live:?} {secret:?}").contains(secret.expose()));
    let longest = "x".repeat(10_000);
    for kid in [
        "nobody-has-this-key-id",
        "",
        "'; drop table api_keys; --",
        "../../dev/null..",
        "0123456789abcdef\0",
        &longest,
    ] {
        assert!(keys::live(&pool, kid).await.unwrap().is_none(), "{kid:?}");
    }

    assert!(
        !keys::revoke(&pool, other.id, &key.id).await.unwrap(),
        "another user's key"
    );
    assert!(keys::revoke(&pool, owner.id, &key.id).await.unwrap());
    assert!(!keys::revoke(&pool, owner.id, &key.id).await.unwrap());
    assert!(keys::live(&pool, &key.id).await.unwrap().is_none());

    let past = NewKey {
        expires_at: Some(Utc::now() - Duration::seconds(1)),
        ..NewKey::default()
    };
    let (expired, _) = keys::create(&pool, &secrets, owner.id, &past)
        .await
        .unwrap();
    assert!(keys::live(&pool, &expired.id).await.unwrap().is_none());

    let (third, _) = keys::create(&pool, &secrets, owner.id, &NewKey::default())
        .await
        .unwrap();
    assert!(keys::live(&pool, &third.id).await.unwrap().is_some());
    assert!(users::mark_deleted(&pool, owner.id).await.unwrap());
    assert!(keys::live(&pool, &third.id).await.unwrap().is_none());
    assert_eq!(keys::list(&pool, owner.id).await.unwrap().len(), 3);
    // The name is free again.
    assert_ne!(user(&pool, "o").await.id, owner.id);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_sealed_secret_moved_to_another_row_does_not_open(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::load_or_create(&folder.path().join("keys.json")).unwrap();
    let (a, b) = (user(&pool, "a").await, user(&pool, "b").await);
    let (key_a, _) = keys::create(&pool, &secrets, a.id, &NewKey::default())
        .await
        .unwrap();
    let (key_b, _) = keys::create(&pool, &secrets, b.id, &NewKey::default())
        .await
        .unwrap();
    let sql = "update api_keys t set secret_nonce = s.secret_nonce, secret_ciphertext = s.secret_ciphertext \
               from api_keys s where t.id = $1 and s.id = $2";
    sqlx::query(sql)
        .bind(&key_a.id)
        .bind(&key_b.id)
        .execute(&pool)
        .await
        .unwrap();
    let live = keys::live(&pool, &key_a.id).await.unwrap().unwrap();
    assert!(live.secret(&secrets).is_err());
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_first_admin_is_the_oldest_living_one(pool: PgPool) {
    assert!(users::first_admin(&pool).await.unwrap().is_none());
    user(&pool, "editor").await;
    let first = users::create(&pool, UserId::new(), "one", Some("One@x.org"), Role::Admin)
        .await
        .unwrap();
    let second = users::create(&pool, UserId::new(), "two", None, Role::Admin)
        .await
        .unwrap();
    assert_eq!(
        users::first_admin(&pool).await.unwrap().unwrap().id,
        first.id
    );
    let taken = users::create(
        &pool,
        UserId::new(),
        "three",
        Some("one@X.org"),
        Role::Viewer,
    )
    .await
    .unwrap_err();
    assert_eq!(taken.constraint(), Some("users_email_key"));
    users::mark_deleted(&pool, first.id).await.unwrap();
    assert_eq!(
        users::first_admin(&pool).await.unwrap().unwrap().id,
        second.id
    );
    assert_eq!(
        users::by_name(&pool, "two").await.unwrap().unwrap().id,
        second.id
    );
    assert!(users::by_id(&pool, first.id).await.unwrap().is_none());
    assert_eq!(users::list(&pool).await.unwrap().len(), 2);
}
