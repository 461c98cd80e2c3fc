//! What pages show of pictures, asked for by ordinal and read in ranges.

use std::collections::BTreeMap;

use lamina_store::annotations::AnnotationSource;
use lamina_store::captions::{self, NewCaption};
use lamina_store::{media, shown};
use lamina_types::EntityType;
use sqlx::PgPool;

use crate::support::{blobs, ready, user};

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn pictures_have_their_weightiest_caption_however_they_are_read(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let owner = user(&pool, "o").await;
    let id = ready(&pool, &blobs(&folder), &owner, 4).await;
    let other = ready(&pool, &blobs(&folder), &owner, 4).await;
    let ids = media::all_ids(&pool, id).await.unwrap();
    use AnnotationSource::{Model, User, VisualLayer};
    let said = [
        (0, Model, "a blur"),
        (0, User, "a dog"),
        (0, VisualLayer, "an animal"),
        (2, Model, "a cat"),
        (2, VisualLayer, "a tiger"),
        (3, Model, ""),
    ];
    let said = said.map(|(place, source, caption)| NewCaption {
        entity_id: ids[place].as_uuid(),
        source,
        caption: caption.to_owned(),
    });
    captions::put(&pool, id, EntityType::Images, &said)
        .await
        .unwrap();

    let asked = shown::pictures(&pool, id, &[2, 0, 3, 1, 7]).await.unwrap();
    let chosen: BTreeMap<u32, &str> = asked
        .iter()
        .filter_map(|(ordinal, row)| Some((*ordinal, row.caption.as_deref()?)))
        .collect();
    assert_eq!(chosen, [(0, "a dog"), (2, "a tiger"), (3, "")].into());

    let read = shown::captions(&pool, id, 0..9).await.unwrap();
    let read: BTreeMap<u32, &str> = read.iter().map(|(n, text)| (*n, text.as_str())).collect();
    assert_eq!(read, chosen);
    let files = shown::files(&pool, id, 0..9).await.unwrap();
    assert_eq!(files.len(), 4);
    for file in files {
        assert_eq!(file.id, ids[file.ordinal as usize]);
        assert_eq!(asked[&file.ordinal].file, file);
    }

    let part = shown::files(&pool, id, 1..3).await.unwrap();
    let mut part: Vec<u32> = part.iter().map(|file| file.ordinal).collect();
    part.sort_unstable();
    assert_eq!(part, [1, 2]);
    let part = shown::captions(&pool, id, 1..3).await.unwrap();
    assert!(part.keys().eq(&[2]));
    let none = shown::captions(&pool, other, 0..9).await.unwrap();
    assert!(none.is_empty());
}
