//! The rows of a generated dataset, written the way ingest and enrichments write them.

use lamina_explore::{generations as building, index_settings};
use lamina_index::{Generation, StopFlag, decode_vector, encode_vector};
use lamina_inference::DualEncoder;
use lamina_store::annotations::{self, AnnotationSource, Label};
use lamina_store::captions::{self, NewCaption};
use lamina_store::contents::{self, NewContent};
use lamina_store::measures::{self, ContentMeasures};
use lamina_store::source_items::{self, NewSourceItem};
use lamina_store::spaces::{self, DatasetSpace};
use lamina_store::sqlx::{self, PgPool};
use lamina_store::tags::{self, Tagged};
use lamina_store::users::User;
use lamina_store::{
    BlobStore, datasets, generations, media, objects, outputs, regions, text_vectors,
};
use lamina_types::{
    BoundingBox, ContentHash, DatasetId, DatasetStatus, Embedding, EntityType, Space, SpaceKey,
    TagId,
};
use serde_json::json;
use uuid::Uuid;

use crate::random::Random;
use crate::world::{Item, TEXTS};

pub struct Making<'a> {
    pub pool: &'a PgPool,
    pub owner: &'a User,
    pub dataset: DatasetId,
    pub encoder: &'a DualEncoder,
}

fn hash_of(number: usize) -> ContentHash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ContentHash::from_bytes(bytes)
}

fn measures_of(item: &Item) -> ContentMeasures {
    ContentMeasures {
        version: 1,
        sharpness: 1.0,
        luma_low: 0.1,
        luma_high: 0.9,
        blur_confidence: item.blur,
        dark_confidence: item.dark,
        bright_confidence: item.bright,
        is_truncated: false,
    }
}

fn encoded(ids: &[i64], vectors: &[Embedding]) -> Vec<(i64, Vec<u8>)> {
    let pairs = ids.iter().zip(vectors);
    pairs
        .map(|(id, vector)| (*id, encode_vector(vector)))
        .collect()
}

impl Making<'_> {
    /// Captions of pictures with given vectors.
    pub async fn said(
        pool: &PgPool,
        dataset: &datasets::Dataset,
        key: &SpaceKey,
        rows: &[(Uuid, String, Vec<u8>)],
    ) {
        let captions: Vec<NewCaption> = rows
            .iter()
            .map(|(id, text, _)| NewCaption {
                entity_id: *id,
                source: AnnotationSource::User,
                caption: text.clone(),
            })
            .collect();
        let entity = EntityType::Images;
        let put = captions::put(pool, dataset.id, entity, &captions);
        put.await.unwrap();
        let dimension = rows[0].2.len() / 2;
        let vectors: Vec<_> = rows
            .iter()
            .map(|(_, text, vector)| (text.clone(), vector.clone()))
            .collect();
        let put = text_vectors::put(pool, dataset.owner_id, key, dimension, &vectors);
        put.await.unwrap();
        let space = DatasetSpace {
            entity_type: entity,
            space: Space::CaptionText,
            key: key.clone(),
            dimension: dimension as u32,
        };
        let conn = &mut *pool.acquire().await.unwrap();
        spaces::put(conn, dataset.id, &space).await.unwrap();
    }

    async fn space(&self, entity_type: EntityType, space: Space, dimension: usize) {
        let made = DatasetSpace {
            entity_type,
            space,
            key: self.encoder.key().clone(),
            dimension: dimension as u32,
        };
        let conn = &mut *self.pool.acquire().await.unwrap();
        spaces::put(conn, self.dataset, &made).await.unwrap();
    }

    /// Media with contents, measures, labels and vectors; the rows of the contents.
    pub async fn pictures(&self, items: &[Item], vectors: &[Embedding]) -> Vec<i64> {
        let (pool, dataset) = (self.pool, self.dataset);
        let sources: Vec<NewSourceItem> = items
            .iter()
            .map(|item| NewSourceItem {
                source_key: format!("{}", item.picture),
                file_name: item.file_name.clone(),
                original_uri: item.file_name.clone(),
                source_path: None,
            })
            .collect();
        let listed = source_items::insert(pool, dataset, 0, 0, &sources);
        listed.await.unwrap();
        let rows: Vec<NewContent> = items
            .iter()
            .map(|item| NewContent {
                hash: hash_of(item.picture),
                byte_size: 1_000,
                format: "jpeg".to_owned(),
                width: item.size.0,
                height: item.size.1,
                has_original: true,
            })
            .collect();
        let mut tx = pool.begin().await.unwrap();
        let contents = contents::upsert(&mut tx, self.owner.id, &rows);
        let contents = contents.await.unwrap();
        let measured: Vec<_> = contents
            .iter()
            .copied()
            .zip(items.iter().map(measures_of))
            .collect();
        measures::put(&mut *tx, &measured).await.unwrap();
        let (key, dimension) = (self.encoder.key(), vectors[0].dimension());
        let encoded = encoded(&contents, vectors);
        let put = outputs::put_vectors(&mut *tx, key, dimension, &encoded);
        put.await.unwrap();
        let done: Vec<(u32, i64)> = (0..).zip(contents.iter().copied()).collect();
        let marked = source_items::mark_done(&mut *tx, dataset, 0, &done);
        marked.await.unwrap();
        source_items::finalize(&mut tx, dataset, 0).await.unwrap();
        tx.commit().await.unwrap();
        let days: Vec<i32> = items.iter().map(|item| item.day as i32).collect();
        sqlx::query(
            "update media set created_at = timestamptz '2026-01-01T12:00:00Z' + make_interval(days => t.day) \
             from unnest($2::int[]) with ordinality t (day, n) where dataset_id = $1 and ordinal = t.n - 1",
        )
        .bind(dataset.as_uuid())
        .bind(days)
        .execute(pool)
        .await
        .unwrap();
        let ids = media::all_ids(pool, dataset).await.unwrap();
        let mut labels = Vec::new();
        for (item, id) in items.iter().zip(&ids) {
            labels.extend(item.labels.iter().map(|name| Label {
                media_id: *id,
                name: (*name).to_owned(),
                source: AnnotationSource::User,
                confidence: None,
                original_id: -1,
            }));
        }
        let labelled = annotations::put_labels(pool, dataset, &labels);
        labelled.await.unwrap();
        self.space(EntityType::Images, Space::Index, dimension)
            .await;
        contents
    }

    /// Objects as a detector finds them: those of one picture after the other.
    pub async fn objects(
        &self,
        boxes: &[(Item, BoundingBox)],
        contents: &[i64],
        vectors: &[Embedding],
    ) {
        let areas: Vec<(i64, BoundingBox)> = boxes
            .iter()
            .map(|(item, area)| (contents[item.picture], *area))
            .collect();
        let mut tx = self.pool.begin().await.unwrap();
        let ids = regions::upsert(&mut tx, &areas).await.unwrap();
        let detector = SpaceKey {
            package: "detector@1".to_owned(),
            parameters: String::new(),
        };
        let mut found: Vec<(i64, serde_json::Value)> = contents
            .iter()
            .map(|content| (*content, json!({"boxes": []})))
            .collect();
        for (region, (item, _)) in ids.iter().zip(boxes) {
            let label = item.labels.first().unwrap();
            let list = found[item.picture].1["boxes"].as_array_mut().unwrap();
            list.push(json!({"region": region, "label": label, "confidence": 0.5}));
        }
        let put = outputs::put_values(&mut *tx, &detector, &found);
        put.await.unwrap();
        let measured: Vec<_> = boxes
            .iter()
            .zip(&ids)
            .map(|((item, _), id)| (*id, measures_of(item)))
            .collect();
        regions::put_measures(&mut *tx, &measured).await.unwrap();
        let (key, dimension) = (self.encoder.key(), vectors[0].dimension());
        let encoded = encoded(&ids, vectors);
        let put = regions::put_vectors(&mut *tx, key, dimension, &encoded);
        put.await.unwrap();
        let made = objects::append_found(&mut tx, self.dataset, &detector);
        assert_eq!(made.await.unwrap(), boxes.len() as u64);
        tx.commit().await.unwrap();
        self.space(EntityType::Objects, Space::Index, dimension)
            .await;
    }

    pub async fn tags(&self, items: &[Item], made: &[TagId]) {
        let conn = &mut *self.pool.acquire().await.unwrap();
        for (number, tag) in made.iter().enumerate() {
            let name = format!("tag {number}");
            let new = tags::create(conn, self.dataset, *tag, &name, self.owner.id);
            new.await.unwrap();
            let having = items.iter().filter(|item| item.tags.contains(tag));
            let having = Tagged::Ordinals(having.map(|item| item.picture as u32).collect());
            let put = tags::assign(conn, self.dataset, *tag, &having);
            put.await.unwrap();
        }
    }

    /// Captions with vectors somewhere between two of the texts that are searched for; what is stored of them.
    pub async fn captions(
        &self,
        random: &mut Random,
        entity: EntityType,
        items: &[Item],
    ) -> Vec<Option<Embedding>> {
        let lane = lamina_inference::Lane::Interactive;
        let texts = TEXTS.map(str::to_owned).to_vec();
        let texts = self.encoder.embed_texts(lane, texts).await.unwrap();
        let ids = self.ids(entity).await;
        let (mut rows, mut vectors) = (Vec::new(), std::collections::BTreeMap::new());
        for (item, id) in items.iter().zip(ids) {
            let Some(words) = &item.caption else { continue };
            let caption = words.join(" ");
            vectors.entry(caption.clone()).or_insert_with(|| {
                let (a, b) = (random.pick(&texts), random.pick(&texts));
                let (weight, noise) = (random.share(), random.pick(&[0.0, 0.02, 0.06]));
                let values = a.as_slice().iter().zip(b.as_slice());
                let values =
                    values.map(|(a, b)| a * weight + b * (1.0 - weight) + random.gauss() * noise);
                encode_vector(&Embedding::new(values.collect()).unwrap())
            });
            rows.push(NewCaption {
                entity_id: id,
                source: AnnotationSource::VisualLayer,
                caption,
            });
        }
        let put = captions::put(self.pool, self.dataset, entity, &rows);
        put.await.unwrap();
        let dimension = texts[0].dimension();
        let list: Vec<_> = vectors.clone().into_iter().collect();
        let (owner, key) = (self.owner.id, self.encoder.key());
        // Texts of both entities are kept in one place: the first vector of a text stays.
        let put = text_vectors::put(self.pool, owner, key, dimension, &list);
        put.await.unwrap();
        self.space(entity, Space::CaptionText, dimension).await;
        let stored: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "select distinct c.caption, v.vector from captions c join text_vectors v on v.text_sha256 = c.text_sha256",
        )
        .fetch_all(self.pool)
        .await
        .unwrap();
        let stored: std::collections::HashMap<_, _> = stored.into_iter().collect();
        items
            .iter()
            .map(|item| {
                let caption = item.caption.as_ref()?.join(" ");
                Some(decode_vector(&stored[&caption]).unwrap())
            })
            .collect()
    }

    pub async fn ids(&self, entity: EntityType) -> Vec<Uuid> {
        let sql = match entity {
            EntityType::Images => "select id from media where dataset_id = $1 order by ordinal",
            EntityType::Objects => "select id from objects where dataset_id = $1 order by ordinal",
        };
        let ids = sqlx::query_scalar(sql).bind(self.dataset.as_uuid());
        ids.fetch_all(self.pool).await.unwrap()
    }

    pub async fn publish(&self, blobs: &BlobStore, entity_type: EntityType) -> Generation {
        let (pool, dataset, space) = (self.pool, self.dataset, Space::Index);
        let found = spaces::find(pool, dataset, entity_type, space).await;
        let found = found.unwrap().unwrap();
        let settings = index_settings(self.encoder.bands(), 50_000);
        let generation = building::build(pool, dataset, &found, 1, settings, StopFlag::new())
            .await
            .unwrap();
        let bytes = generation.encode();
        let row = generations::Generation {
            dataset_id: dataset,
            entity_type,
            space,
            number: 1,
            origin_dataset_id: dataset,
            blob_key: BlobStore::generation_key(dataset, entity_type, space, 1),
            checksum: Generation::checksum_of(&bytes),
            count: generation.vectors.len() as u32,
            created_at: chrono::DateTime::UNIX_EPOCH,
        };
        blobs
            .put_generation(&row.blob_key, bytes.into())
            .await
            .unwrap();
        generations::publish(pool, &row).await.unwrap();
        generation
    }

    pub async fn finish(&self) {
        let mut tx = self.pool.begin().await.unwrap();
        datasets::set_status(&mut tx, self.dataset, DatasetStatus::Ready)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
}
