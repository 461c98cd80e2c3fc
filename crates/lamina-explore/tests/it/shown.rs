//! What pages show of an item beside what it has.

use std::collections::BTreeSet;

use lamina_explore::{ExplorePlan, MediaView};
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

/// All views of a browsed dataset's first page that are, or are on, the picture of this ordinal, after whatever was written.
async fn views_on(world: &World, entity: EntityType, picture: usize) -> Vec<MediaView> {
    let principal = world.owner.principal();
    let access = datasets::access(&world.pool, Some(&principal), world.access.id());
    let access = access.await.unwrap().unwrap();
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
