//! What pages show of an item beside what it has.

use std::collections::BTreeSet;

use lamina_explore::{ExploreError, ExplorePlan, MediaView};
use lamina_store::annotations::AnnotationSource;
use lamina_store::captions::{self, NewCaption};
use lamina_store::datasets::DatasetAccess;
use lamina_store::sqlx::{self, PgPool};
use lamina_store::{datasets, tags, tags::Tagged};
use lamina_types::{EntityType, SimilarityThreshold, TagId};

use crate::world::{Item, World};

/// Holds a view against its item.
pub fn assert_shown(view: &MediaView, item: &Item, what: &str) {
    let labels = view.labels.iter().map(String::as_str);
    assert!(labels.eq(item.labels.iter().copied()), "{what}: {view:?}");
    assert_eq!(tags_of(view), item.tags, "{what}");
    let caption = item.caption.as_ref().map(|words| words.join(" "));
    assert_eq!(view.caption, caption, "{what}");
    assert_eq!(view.file_name, item.file_name, "{what}");
    assert_eq!((view.width, view.height), item.size, "{what}");
}

fn tags_of(view: &MediaView) -> BTreeSet<TagId> {
    view.user_tags.iter().map(|(id, _)| *id).collect()
}

/// The dataset after whatever was written.
async fn access(world: &World) -> DatasetAccess {
    let principal = world.owner.principal();
    let access = datasets::access(&world.pool, Some(&principal), world.access.id());
    access.await.unwrap().unwrap()
}

/// All views of a browsed dataset that are, or are on, the picture of this ordinal.
async fn views_on(world: &World, entity: EntityType, picture: usize) -> Vec<MediaView> {
    let access = access(world).await;
    let id = world.pictures.ids[picture];
    let mut found = Vec::new();
    for page in 0.. {
        let plan = ExplorePlan::browse(entity, SimilarityThreshold::FINEST, page);
        let page = world.explorer.explore(&access, &plan).await.unwrap();
        if page.clusters.is_empty() {
            return found;
        }
        let views = page.clusters.into_iter().flat_map(|one| one.previews);
        found.extend(views.filter(|view| view.image_id == id));
    }
    found
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn a_tag_shows_on_pictures_and_their_objects_as_soon_as_it_is_put_on(pool: PgPool) {
    let world = World::new(pool, 11).await;
    let tag = *world.tags.last().unwrap();
    // One that is shown, and so is an object on it.
    let mut picture = 0;
    for place in 0..world.pictures.ids.len() {
        let shown = views_on(&world, EntityType::Images, place).await.len();
        if shown == 1
            && !views_on(&world, EntityType::Objects, place)
                .await
                .is_empty()
        {
            picture = place;
            break;
        }
    }
    for has_it in [false, true, false] {
        let conn = &mut *world.pool.acquire().await.unwrap();
        let tagged = Tagged::Ordinals(vec![picture as u32]);
        let changed = match has_it {
            true => tags::assign(conn, world.access.id(), tag, &tagged).await,
            false => tags::unassign(conn, world.access.id(), tag, &tagged).await,
        };
        changed.unwrap();
        for entity in [EntityType::Images, EntityType::Objects] {
            let views = views_on(&world, entity, picture).await;
            assert!(!views.is_empty());
            for view in views {
                let named = view.user_tags.iter().find(|(id, _)| *id == tag);
                let name = named.map(|(_, name)| name.as_str());
                assert_eq!(name, has_it.then_some("tag 3"), "{entity}");
            }
        }
    }
}

/// The previews of the first page.
async fn first_page(world: &World) -> Vec<MediaView> {
    let plan = ExplorePlan::browse(EntityType::Images, SimilarityThreshold::FINEST, 0);
    let page = world.explorer.explore(&access(world).await, &plan).await;
    let clusters = page.unwrap().clusters.into_iter();
    clusters.flat_map(|cluster| cluster.previews).collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn pages_show_the_same_from_postgres_and_from_what_is_at_hand(pool: PgPool) {
    let world = World::new(pool, 12).await;
    let id = world.access.id();
    let from_postgres = first_page(&world).await;
    assert!(from_postgres.iter().any(|view| view.caption.is_some()));
    assert!(from_postgres.iter().any(|view| view.caption.is_none()));
    let read = world.explorer.read_ahead(&access(&world).await).await;
    read.unwrap();
    // Whoever asks Postgres sees other names now.
    sqlx::query("update media set file_name = 'asked' where dataset_id = $1")
        .bind(id.as_uuid())
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(first_page(&world).await, from_postgres);

    // Captions move the revision, and files stay at hand.
    let said = NewCaption {
        entity_id: from_postgres[0].media_id,
        source: AnnotationSource::User,
        caption: "what a user says".to_owned(),
    };
    captions::put(&world.pool, id, EntityType::Images, &[said])
        .await
        .unwrap();
    datasets::bump_revision(&world.pool, id).await.unwrap();
    let read = world.explorer.read_ahead(&access(&world).await).await;
    read.unwrap();
    let mut expected = from_postgres;
    expected[0].caption = Some("what a user says".to_owned());
    assert_eq!(first_page(&world).await, expected);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn pages_come_from_postgres_where_there_is_no_room_on_the_disk(pool: PgPool) {
    let world = World::new(pool, 13).await;
    fs_err::remove_dir_all(world.blobs.staging_dir()).unwrap();
    let read = world.explorer.read_ahead(&access(&world).await).await;
    assert!(matches!(read, Err(ExploreError::Disk(_))), "{read:?}");
    let page = first_page(&world).await;
    assert!(!page.is_empty());
    assert_eq!(first_page(&world).await, page);
}
