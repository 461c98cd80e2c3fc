//! From selected ordinals to items: what the index says, what people and models said, batch by batch.

use std::collections::{HashMap, HashSet};

use lamina_explore::{Explorer, FactSheet};
use lamina_store::annotations::{self, Label};
use lamina_store::boxes::{self, BoxedObject};
use lamina_store::datasets::DatasetAccess;
use lamina_store::exports::Selected;
use lamina_store::media::{self, Media};
use lamina_store::sqlx::PgPool;
use lamina_store::{captions, tags};
use lamina_types::{EntityType, MediaId, SimilarityThreshold};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::ExportError;
use crate::item::{DuplicateItem, Item, LabelItem, ObjectItem, TagItem};

/// Members to ask for at once: a few round trips for a few megabytes.
pub const BATCH: usize = 500;

/// What is to be put together.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Pictures or objects.
    pub entity_type: EntityType,
    /// Clustering level of the cluster ids.
    pub level: SimilarityThreshold,
    /// What was selected, best first.
    pub members: Vec<Selected>,
}

/// Sends the items behind a selection batch by batch, and stops when nobody takes them any more.
///
/// # Errors
/// The database, the index.
pub async fn send(
    explorer: &Explorer,
    access: &DatasetAccess,
    wanted: Wanted,
    items: &mpsc::Sender<Vec<Item>>,
) -> Result<(), ExportError> {
    let Some(mut gatherer) = Gatherer::open(explorer, access, &wanted).await? else {
        return Ok(());
    };
    for batch in wanted.members.chunks(BATCH) {
        if items.send(gatherer.items(batch).await?).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Puts the items of one export together.
#[derive(Debug)]
pub struct Gatherer<'a> {
    pool: &'a PgPool,
    access: &'a DatasetAccess,
    entity_type: EntityType,
    /// Distance of everything that was selected, by ordinal.
    selected: HashMap<u32, Option<f32>>,
    /// Pictures whose selected objects were given out.
    seen: HashSet<MediaId>,
    pictures: FactSheet,
    /// Absent while the dataset's objects are not indexed.
    objects: Option<FactSheet>,
}

impl<'a> Gatherer<'a> {
    /// Opens the dataset; `None` while it has nothing to show.
    ///
    /// # Errors
    /// The database, the index.
    pub async fn open(
        explorer: &'a Explorer,
        access: &'a DatasetAccess,
        wanted: &Wanted,
    ) -> Result<Option<Self>, ExportError> {
        let sheet = |entity| explorer.fact_sheet(access, entity, wanted.level);
        let Some(pictures) = sheet(EntityType::Images).await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            pool: explorer.pool(),
            access,
            entity_type: wanted.entity_type,
            selected: wanted
                .members
                .iter()
                .map(|member| (member.ordinal, member.distance))
                .collect(),
            seen: HashSet::new(),
            pictures,
            objects: sheet(EntityType::Objects).await?,
        }))
    }

    /// How many items a selection comes to: of objects, the pictures they are on.
    pub fn count(&self) -> u64 {
        let sheet = match self.entity_type {
            EntityType::Images => Some(&self.pictures),
            EntityType::Objects => self.objects.as_ref(),
        };
        let selected = self.selected.keys().copied();
        sheet.map_or(0, |sheet| sheet.pictures_behind(selected))
    }

    /// The pictures behind `members`, in their order. A picture of which objects were selected comes once, with all of them, when
    /// the first is asked for. Rows that are gone (a deletion under way) are left out.
    ///
    /// # Errors
    /// The database.
    pub async fn items(&mut self, members: &[Selected]) -> Result<Vec<Item>, ExportError> {
        let ordinals: Vec<u32> = members.iter().map(|member| member.ordinal).collect();
        let (pool, dataset) = (self.pool, self.access.id());
        let (rows, objects) = match self.entity_type {
            EntityType::Images => {
                let rows = media::by_ordinals(pool, dataset, &ordinals).await?;
                let ids: Vec<MediaId> = rows.iter().map(|row| row.id).collect();
                (rows, boxes::of_media_list(pool, dataset, &ids).await?)
            }
            EntityType::Objects => {
                let mut rows: Vec<Media> = Vec::new();
                for object in boxes::by_ordinals(pool, dataset, &ordinals).await? {
                    if self.seen.insert(object.media.id) {
                        rows.push(object.media);
                    }
                }
                let ids: Vec<MediaId> = rows.iter().map(|row| row.id).collect();
                let mut objects = boxes::of_media_list(pool, dataset, &ids).await?;
                objects.retain(|object| self.selected.contains_key(&object.ordinal));
                (rows, objects)
            }
        };
        self.assembled(rows, objects).await
    }

    /// Distance of an item of these entities, if they are what was searched.
    fn distance(&self, entity: EntityType, ordinal: u32) -> Option<f32> {
        let found = self
            .selected
            .get(&ordinal)
            .filter(|_| entity == self.entity_type);
        found.copied().flatten()
    }

    async fn assembled(
        &self,
        rows: Vec<Media>,
        objects: Vec<BoxedObject>,
    ) -> Result<Vec<Item>, ExportError> {
        let (pool, dataset) = (self.pool, self.access.id());
        let ids: Vec<MediaId> = rows.iter().map(|row| row.id).collect();
        let named: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let boxed: Vec<Uuid> = objects.iter().map(|object| object.id.as_uuid()).collect();
        let (mut labels, mut said, mut object_captions, mut tags) = tokio::try_join!(
            annotations::labels_of(pool, dataset, &ids),
            captions::best_of(pool, dataset, EntityType::Images, &named),
            annotations::captions_of(pool, dataset, EntityType::Objects, &boxed),
            tags::assignments_of(pool, dataset, &ids),
        )?;
        let mut by_media: HashMap<MediaId, Vec<ObjectItem>> = HashMap::new();
        for object in objects {
            let caption = object_captions.remove(&object.id.as_uuid());
            let distance = self.distance(EntityType::Objects, object.ordinal);
            let facts = self.objects.as_ref().map(|sheet| sheet.of(object.ordinal));
            by_media
                .entry(object.media.id)
                .or_default()
                .push(ObjectItem {
                    id: object.id,
                    region: object.region,
                    label: object.label,
                    source: object.source.as_str(),
                    original_id: object.original_id,
                    confidence: object.confidence,
                    uniqueness: facts.and_then(|facts| facts.uniqueness),
                    caption,
                    distance,
                });
        }
        let item = |row: Media| {
            let facts = self.pictures.of(row.ordinal);
            Item {
                media_id: row.id,
                ordinal: row.ordinal,
                byte_size: row.byte_size.unsigned_abs(),
                width: row.width,
                height: row.height,
                uniqueness: facts.uniqueness,
                distance: self.distance(EntityType::Images, row.ordinal),
                cluster_id: facts.cluster_id,
                issues: facts.issues,
                suggested_label: facts.suggested_label,
                duplicates: facts
                    .duplicates
                    .into_iter()
                    .map(|fact| DuplicateItem {
                        step: fact.step,
                        group: fact.group,
                        confidence: fact.confidence,
                    })
                    .collect(),
                labels: labels
                    .remove(&row.id)
                    .unwrap_or_default()
                    .into_iter()
                    .map(label_item)
                    .collect(),
                objects: by_media.remove(&row.id).unwrap_or_default(),
                caption: said
                    .remove(&row.id.as_uuid())
                    .map(|(text, source)| (text, source.as_str())),
                tags: tags
                    .remove(&row.id)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(name, assigned_at)| TagItem { name, assigned_at })
                    .collect(),
                file_name: row.file_name,
                file_path: row.original_uri,
            }
        };
        Ok(rows.into_iter().map(item).collect())
    }
}

fn label_item(label: Label) -> LabelItem {
    LabelItem {
        name: label.name,
        source: label.source.as_str(),
        original_id: label.original_id,
    }
}
