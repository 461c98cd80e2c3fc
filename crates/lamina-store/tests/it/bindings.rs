//! Slots: what the operator binds wins over what the installation brings along.

use lamina_store::bindings::{self, Binding, Bindings};
use serde_json::{Map, json};
use sqlx::PgPool;

fn binding(slot: &str, package: &str) -> Binding {
    Binding {
        slot: slot.to_owned(),
        package: package.to_owned(),
        parameters: Map::new(),
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_slot_is_bound_bound_anew_and_given_back(pool: PgPool) {
    let here = Bindings::new(
        vec![binding("INDEX", "fixed@1")],
        vec![
            binding("INDEX", "starter@1"),
            binding("tagger", "starter-tagger@1"),
        ],
    );
    let of = async |slot: &str| {
        let found = here.of(&pool, slot).await.unwrap();
        found.map(|found| found.package)
    };
    assert_eq!(of("tagger").await.as_deref(), Some("starter-tagger@1"));
    assert_eq!(of("captioner").await, None);

    let mut bound = binding("tagger", "ram@1");
    bindings::put(&pool, &bound).await.unwrap();
    bound.parameters = json!({"score_threshold": 0.3, "beams": 3})
        .as_object()
        .unwrap()
        .clone();
    bindings::put(&pool, &bound).await.unwrap();
    let found = here.of(&pool, "tagger").await.unwrap().unwrap();
    assert_eq!(found, bound);
    assert_eq!(
        found.key().parameters,
        "{\"beams\":3,\"score_threshold\":0.3}"
    );

    bindings::put(&pool, &binding("INDEX", "other@1"))
        .await
        .unwrap();
    assert_eq!(
        of("INDEX").await.as_deref(),
        Some("fixed@1"),
        "said by an option"
    );
    let all = here.all(&pool).await.unwrap();
    let all: Vec<(&str, &str)> = all
        .iter()
        .map(|one| (one.slot.as_str(), one.package.as_str()))
        .collect();
    assert_eq!(all, [("INDEX", "fixed@1"), ("tagger", "ram@1")]);

    assert!(bindings::remove(&pool, "tagger").await.unwrap());
    assert!(!bindings::remove(&pool, "tagger").await.unwrap());
    assert_eq!(of("tagger").await.as_deref(), Some("starter-tagger@1"));
}
