//! Word searches over several pages and changes of captions.

use lamina_explore::{ExplorePage, ExplorePlan, Text};
use lamina_store::annotations::AnnotationSource;
use lamina_store::captions::{self, NewCaption};
use lamina_store::datasets::{self, DatasetAccess};
use lamina_store::sqlx::{self, PgPool};
use lamina_types::{ClusterId, EntityType, SimilarityThreshold};

use crate::world::World;

async fn page(world: &World, access: &DatasetAccess, words: &str, number: u32) -> ExplorePage {
    let mut plan = ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, number);
    plan.filters = vec![Text::words(words).unwrap().into()];
    world.explorer.explore(access, &plan).await.unwrap()
}

/// Clusters with their sizes.
fn shown(page: &ExplorePage) -> Vec<(ClusterId, u64)> {
    let clusters = page.clusters.iter();
    clusters
        .map(|cluster| (cluster.cluster_id, cluster.n_images))
        .collect()
}

fn members(page: &ExplorePage) -> u64 {
    page.clusters.iter().map(|cluster| cluster.n_images).sum()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_pages_of_a_search_are_those_of_one_search(pool: PgPool) {
    let world = World::new(pool, 5).await;
    let first = page(&world, &world.access, "-truck", 0).await;
    assert!(first.total_pages > 1, "{}", first.total_pages);
    // Whatever happens to the texts meanwhile, what was found stays as long as the dataset is the same one.
    sqlx::query("delete from caption_texts")
        .execute(&world.pool)
        .await
        .unwrap();
    let again = page(&world, &world.access, "-truck", 0).await;
    assert_eq!(shown(&again), shown(&first));
    let second = page(&world, &world.access, "-truck", 1).await;
    assert_eq!(second.total_pages, first.total_pages);
    assert!(members(&second) > 0);
    assert_eq!(members(&page(&world, &world.access, "-river", 0).await), 0);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn captions_that_change_are_found_with_the_next_revision(pool: PgPool) {
    let world = World::new(pool, 6).await;
    let (dataset, entity) = (world.access.id(), EntityType::Images);
    assert_eq!(
        members(&page(&world, &world.access, "lighthouse", 0).await),
        0
    );
    let rows: Vec<NewCaption> = world.pictures.ids[3..5]
        .iter()
        .map(|id| NewCaption {
            entity_id: *id,
            source: AnnotationSource::User,
            caption: "two lighthouses by the sea".to_owned(),
        })
        .collect();
    captions::put(&world.pool, dataset, entity, &rows)
        .await
        .unwrap();
    datasets::bump_revision(&world.pool, dataset).await.unwrap();
    let principal = world.owner.principal();
    let access = datasets::access(&world.pool, Some(&principal), dataset).await;
    let access = access.unwrap().unwrap();
    let found = page(&world, &access, "lighthouse", 0).await;
    let mut ids: Vec<_> = found
        .clusters
        .iter()
        .flat_map(|cluster| cluster.previews.iter().map(|view| view.media_id))
        .collect();
    ids.sort_unstable();
    let mut expected = world.pictures.ids[3..5].to_vec();
    expected.sort_unstable();
    assert_eq!(ids, expected);
}
