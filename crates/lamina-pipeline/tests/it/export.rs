//! Exports of a dataset with everything that models say: what the archives hold, in every format.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};

use lamina_jobs::{NewJob, Phase};
use lamina_store::exports::{self, Export, NewExport, Selected};
use lamina_store::users::User;
use lamina_store::{media, removal};
use lamina_types::{
    DatasetId, EnrichmentType, EntityType, ExportFormat, ExportId, ExportSpec, ExportStatus,
    JobKind, ServeMode,
};
use serde_json::Value;
use sqlx::PgPool;

use crate::world::{PICTURES, World};

pub type Archive = zip::ZipArchive<Cursor<Vec<u8>>>;

pub fn everything(count: u32) -> Vec<Selected> {
    let member = |ordinal| Selected {
        ordinal,
        distance: (ordinal % 2 == 0).then_some(0.125),
    };
    (0..count).map(member).collect()
}

impl World {
    async fn ask_export(&self, owner: &User, dataset: DatasetId, new: NewExport) -> ExportId {
        let new = NewExport {
            dataset_id: dataset,
            created_by: owner.id,
            ..new
        };
        let mut tx = self.pool.begin().await.unwrap();
        let export = exports::create(&mut *tx, &new).await.unwrap();
        let job = NewJob::new(
            JobKind::Export.as_str(),
            Some(owner.id.as_uuid()),
            Some(export.id.as_uuid()),
            &ExportSpec {
                export_id: export.id,
            },
            Phase::single(JobKind::Export.first_phase()),
        );
        lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        export.id
    }

    pub async fn exported(
        &self,
        owner: &User,
        dataset: DatasetId,
        new: NewExport,
    ) -> (Export, Archive) {
        let id = self.ask_export(owner, dataset, new).await;
        self.work().await;
        let export = exports::find(&self.pool, id).await.unwrap().unwrap();
        assert_eq!(export.status, ExportStatus::Completed, "{export:?}");
        let key = export.blob_key.clone().unwrap();
        let bytes = self.blobs.get(&key).await.unwrap();
        let archive = zip::ZipArchive::new(Cursor::new(bytes.to_vec())).unwrap();
        (export, archive)
    }
}

pub fn new(format: ExportFormat, members: Vec<Selected>) -> NewExport {
    NewExport {
        id: ExportId::new(),
        dataset_id: DatasetId::new(),
        created_by: lamina_types::UserId::new(),
        exported_by: "Ada".to_owned(),
        entity_type: EntityType::Images,
        level: 0,
        format,
        include_images: false,
        file_name: "export.zip".to_owned(),
        dataset_url: "https://lamina.example/dataset/7".to_owned(),
        members,
        rejection: None,
        expires_at: chrono::Utc::now() + chrono::TimeDelta::days(1),
    }
}

pub fn entry(archive: &mut Archive, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive
        .by_name(name)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn names(archive: &Archive) -> BTreeSet<String> {
    archive
        .file_names()
        .map(|name| name.unwrap().into_owned())
        .collect()
}

fn of_kind<'a>(item: &'a Value, kind: &str) -> Vec<&'a Value> {
    let entries = item["metadata_items"].as_array().unwrap().iter();
    entries
        .filter(|entry| entry["type"] == kind)
        .map(|entry| &entry["properties"])
        .collect()
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn the_document_has_what_is_known_and_the_originals_byte_by_byte(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let copy = world.enriched(source, EnrichmentType::ALL).await;
    let count = PICTURES as u32 + 1;
    let wanted = NewExport {
        include_images: true,
        ..new(ExportFormat::Json, everything(count))
    };
    let (export, mut archive) = world.exported(&ada, copy, wanted).await;
    assert_eq!((export.selected, export.written), (13, 13));
    let document: Value = serde_json::from_slice(&entry(&mut archive, "metadata.json")).unwrap();
    assert_eq!(document["info"]["total_media_items"], 13);
    assert_eq!(document["info"]["exported_by"], "Ada");
    let items = document["media_items"].as_array().unwrap();
    assert_eq!(items.len(), 13);
    let mut copies = 0;
    for item in items {
        assert!(item["uniqueness_score"].is_number(), "{item}");
        assert!(item["cluster_id"].is_string());
        let ordinal = items.iter().position(|other| other == item).unwrap();
        assert_eq!(item.get("search_confidence").is_some(), ordinal % 2 == 0);
        let caption = of_kind(item, "caption");
        assert_eq!(caption.len(), 1);
        assert_eq!(caption[0]["caption"], caption[0]["text"]);
        assert_eq!(of_kind(item, "image_label").len(), 1);
        for object in of_kind(item, "object_label") {
            assert_eq!(object["bbox"].as_array().unwrap().len(), 4);
            assert!(object["uniqueness_score"].is_number());
            assert_eq!(object["metadata_items"][0]["type"], "caption");
        }
        let issues = of_kind(item, "issue");
        let twins = issues
            .iter()
            .filter(|issue| issue["duplicate_threshold"] == 1.0);
        copies += twins.count();
        assert!(issues.iter().all(|issue| issue["confidence"].is_number()));
        // What lies below images/ is what was taken in.
        let path = item["file_path"].as_str().unwrap();
        let original = fs_err::read(world.photos.join(path)).unwrap();
        assert_eq!(entry(&mut archive, &format!("images/{path}")), original);
    }
    assert_eq!(copies, 2, "the picture that comes twice, at the last step");
    assert_eq!(names(&archive).len(), 14);
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_format_holds_the_same_boxes_and_expired_archives_go(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let copy = world
        .enriched(source, &[EnrichmentType::ObjectDetection])
        .await;
    let boxes = world.find(copy).await.n_objects as usize;
    assert!(boxes > 0);
    let members = everything(PICTURES as u32 + 1);
    let mut archives = Vec::new();
    for format in ExportFormat::ALL {
        archives.push(
            world
                .exported(&ada, copy, new(*format, members.clone()))
                .await,
        );
    }
    for (export, archive) in &mut archives {
        let found = match export.format {
            ExportFormat::Json => {
                let document: Value =
                    serde_json::from_slice(&entry(archive, "metadata.json")).unwrap();
                let items = document["media_items"].as_array().unwrap();
                items
                    .iter()
                    .map(|item| of_kind(item, "object_label").len())
                    .sum()
            }
            ExportFormat::Parquet => {
                assert_eq!(entry(archive, "metadata.parquet")[..4], *b"PAR1");
                boxes
            }
            ExportFormat::Csv => {
                let table = entry(archive, "object_annotations.csv");
                csv::Reader::from_reader(&table[..]).records().count()
            }
            ExportFormat::Coco => {
                let document: Value =
                    serde_json::from_slice(&entry(archive, "annotations.json")).unwrap();
                assert_eq!(document["images"].as_array().unwrap().len(), 13);
                document["annotations"].as_array().unwrap().len()
            }
            ExportFormat::Voc => {
                let files = names(archive);
                let texts = files.iter().map(|name| entry(archive, name));
                let count =
                    |text: Vec<u8>| String::from_utf8(text).unwrap().matches("<object>").count();
                texts.map(count).sum()
            }
            ExportFormat::Yolo => {
                let labels: Vec<String> = names(archive)
                    .into_iter()
                    .filter(|name| name.starts_with("labels/"))
                    .collect();
                assert_eq!(labels.len(), 13);
                let lines = labels.iter().map(|name| entry(archive, name));
                lines
                    .map(|text| text.iter().filter(|byte| **byte == b'\n').count())
                    .sum()
            }
        };
        assert_eq!(found, boxes, "{}", export.format);
    }
    world.assert_clean().await;

    let past = "update exports set expires_at = now() - interval '1 second'";
    sqlx::query(past).execute(&world.pool).await.unwrap();
    let keys = exports::delete_expired(&world.pool, 100).await.unwrap();
    assert_eq!(keys.len(), ExportFormat::ALL.len());
    for key in keys {
        assert!(world.blobs.delete(&key).await.unwrap());
    }
    world.assert_clean().await;
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn exports_of_objects_and_of_what_is_gone(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::ReduceDiskSpace).await;
    let copy = world
        .enriched(source, &[EnrichmentType::ObjectDetection])
        .await;
    let objects = media::count(&world.pool, copy).await.unwrap();
    assert_eq!(objects, PICTURES + 1);
    // Two boxes of one picture and one of another: two pictures with the boxes that were selected.
    let sql = "select o.ordinal, o.media_id from objects o where o.dataset_id = $1 order by o.media_id, o.ordinal";
    let rows: Vec<(i32, uuid::Uuid)> = sqlx::query_as(sql)
        .bind(copy.as_uuid())
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let pair = rows.windows(2).find(|pair| pair[0].1 == pair[1].1).unwrap();
    let other = rows.iter().find(|row| row.1 != pair[0].1).unwrap();
    let members = [pair[0].0, other.0, pair[1].0].map(|ordinal| Selected {
        ordinal: ordinal as u32,
        distance: Some(0.5),
    });
    let wanted = NewExport {
        entity_type: EntityType::Objects,
        ..new(ExportFormat::Json, members.to_vec())
    };
    let (_, mut archive) = world.exported(&ada, copy, wanted).await;
    let document: Value = serde_json::from_slice(&entry(&mut archive, "metadata.json")).unwrap();
    assert_eq!(document["info"]["total_media_items"], 2);
    let items = document["media_items"].as_array().unwrap();
    let boxes: Vec<usize> = items
        .iter()
        .map(|item| of_kind(item, "object_label").len())
        .collect();
    assert_eq!(boxes, [2, 1]);
    assert_eq!(
        of_kind(&items[0], "object_label")[0]["search_confidence"],
        0.5
    );

    // A file that was left in its place and is gone is left out; the export is no worse for it.
    fs_err::remove_file(world.photos.join("003.jpg")).unwrap();
    let wanted = NewExport {
        include_images: true,
        ..new(ExportFormat::Coco, everything(PICTURES as u32 + 1))
    };
    let (_, archive) = world.exported(&ada, copy, wanted).await;
    let pictures = names(&archive);
    assert!(!pictures.contains("images/003.jpg") && pictures.contains("images/004.jpg"));

    // An export of a dataset that was deleted meanwhile ends quietly, and its archives go with it.
    let id = world
        .ask_export(&ada, copy, new(ExportFormat::Json, everything(3)))
        .await;
    sqlx::query("update datasets set deleted_at = now() where id = $1")
        .bind(copy.as_uuid())
        .execute(&world.pool)
        .await
        .unwrap();
    world.work().await;
    let export = exports::find(&world.pool, id).await.unwrap().unwrap();
    assert_eq!(export.blob_key, None);
    let mut conn = world.pool.acquire().await.unwrap();
    let keys = loop {
        match removal::purge(&mut conn, copy, 1_000).await.unwrap() {
            removal::Purge::More => {}
            removal::Purge::Done { blob_keys, .. } => break blob_keys,
        }
    };
    let archives = keys.iter().filter(|key| key.starts_with("export/"));
    assert_eq!(archives.count(), 2);
}
