//! Saved views are looked at for what was added; custom metadata is searched by, and goes along with a copy.

use lamina_explore::{Explorer, ExplorerOptions, SavedFilters, ThresholdSense};
use lamina_pipeline::views::{Batch, Evaluated, evaluate_batch};
use lamina_store::custom_fields::{self, CustomField, CustomValue, FieldType};
use lamina_store::{batches, datasets, media, notifications, views};
use lamina_types::{DatasetId, EnrichmentType, MediaId, ServeMode, UserId};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{PICTURES, World};

async fn view(world: &World, dataset: DatasetId, by: UserId, name: &str, vql: Value) -> Uuid {
    let id = Uuid::now_v7();
    let filters = json!({"entity_type": "IMAGES", "threshold": "0", "caption": null, "vql": vql});
    views::create(&world.pool, dataset, id, name, &filters, by)
        .await
        .unwrap();
    id
}

/// A number for each of the pictures: its ordinal.
async fn numbered(world: &World, dataset: DatasetId, ids: &[MediaId], by: UserId) {
    let field = CustomField {
        id: Uuid::now_v7(),
        name: "number".to_owned(),
        field_type: FieldType::Float,
        enum_options: Vec::new(),
        is_multi: false,
        status: "INIT".to_owned(),
        inserted_rows: 0,
        error_count: 0,
        sample_errors: json!([]),
    };
    custom_fields::create(&world.pool, dataset, &field, by)
        .await
        .unwrap();
    let values: Vec<(Uuid, CustomValue)> = (0_u32..)
        .zip(ids)
        .map(|(ordinal, id)| (id.as_uuid(), CustomValue::Number(f64::from(ordinal))))
        .collect();
    custom_fields::put(&world.pool, field.id, &values)
        .await
        .unwrap();
}

fn from(least: u32) -> Value {
    json!([{"custom_metadata": {"field": "number", "op": "between", "min": least}}])
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_batch_is_looked_at_for_every_view_that_was_there_before(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let dataset = world.dataset(&ada, ServeMode::Copy).await;
    let ids = media::all_ids(&world.pool, dataset).await.unwrap();
    numbered(&world, dataset, &ids, ada.id).await;
    let five = view(&world, dataset, ada.id, "from 5", from(5)).await;
    let none = view(&world, dataset, ada.id, "none", from(1_000)).await;
    let broken = json!([{"custom_metadata": {"field": "gone", "op": "set"}}]);
    view(&world, dataset, ada.id, "broken", broken).await;
    let id = Uuid::now_v7();
    batches::record(&world.pool, dataset, id, 1).await.unwrap();
    let late = view(&world, dataset, ada.id, "late", from(0)).await;

    // Pictures 3 to 8 are the batch; of those 5 to 8 match.
    let batch = Batch {
        id,
        number: 1,
        media: &ids[3..9],
    };
    let done = evaluate_batch(&world.workshop, dataset, &batch)
        .await
        .unwrap();
    assert_eq!(done, Evaluated { views: 2, told: 1 });
    let counts =
        |points: Vec<views::Point>| -> Vec<u64> { points.iter().map(|one| one.count).collect() };
    for (view, expected) in [(five, vec![4]), (none, vec![0]), (late, vec![])] {
        let points = views::points(&world.pool, view).await.unwrap();
        assert_eq!(counts(points), expected);
    }
    let shown = views::find(&world.pool, dataset, five)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        shown.stats,
        [PICTURES as i64 + 1 - 5, 0, 0],
        "of the whole dataset"
    );
    let again = evaluate_batch(&world.workshop, dataset, &batch)
        .await
        .unwrap();
    assert_eq!(again, Evaluated::default(), "nobody is told twice");
    let filter = notifications::NotificationFilter::default();
    let told = notifications::count(&world.pool, &ada.principal(), filter).await;
    assert_eq!(told.unwrap(), 1);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn custom_metadata_is_searched_by_and_goes_along_with_a_copy(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let dataset = world.dataset(&ada, ServeMode::Copy).await;
    let ids = media::all_ids(&world.pool, dataset).await.unwrap();
    numbered(&world, dataset, &ids[..10], ada.id).await;
    let copy = world
        .enriched(dataset, &[EnrichmentType::CaptionImages])
        .await;
    let options = ExplorerOptions {
        snapshot_bytes: 1 << 30,
        exact_limit: 50_000,
        threshold_sense: ThresholdSense::default(),
    };
    let (blobs, encoders) = (world.blobs.clone(), world.workshop.encoders.clone());
    let explorer = Explorer::new(world.pool.clone(), blobs, encoders, options);
    let all: Vec<u32> = (0..=PICTURES as u32).collect();
    for dataset in [dataset, copy] {
        let access = datasets::access_of_worker(&world.pool, dataset).await;
        let access = access.unwrap().unwrap();
        let ask = async |filter: Value| {
            let saved = SavedFilters {
                entity_type: "IMAGES".to_owned(),
                threshold: "0".to_owned(),
                caption: None,
                vql: json!([filter]),
            };
            let plan = saved.plan().unwrap().unwrap();
            explorer
                .matching(&access, &plan)
                .await
                .map(|(found, _)| found)
        };
        let field = |body: Value| json!({"custom_metadata": body});
        let between = json!({"field": "number", "op": "between", "min": 2, "max": 4});
        assert_eq!(ask(field(between.clone())).await.unwrap(), [2, 3, 4]);
        let others: Vec<u32> = all
            .iter()
            .copied()
            .filter(|one| !(2..=4).contains(one))
            .collect();
        assert_eq!(ask(json!({"not": field(between)})).await.unwrap(), others);
        let unset = field(json!({"field": "number", "op": "not_set"}));
        assert_eq!(ask(unset).await.unwrap(), all[10..]);
        for wrong in [
            json!({"field": "colour", "op": "set"}),
            json!({"field": "number", "op": "contains", "value": "2"}),
        ] {
            let refused = ask(field(wrong.clone())).await.unwrap_err();
            assert!(refused.is_of_request(), "{wrong}: {refused}");
        }
    }
}
