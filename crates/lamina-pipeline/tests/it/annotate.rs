//! Annotations that people bring: at creation and later, from every kind of file, back out as they came in; bad rows cost only
//! themselves.

use std::collections::BTreeMap;

use lamina_explore::{ExplorePlan, Labels, SetTest};
use lamina_export::reading::{AnnotationReader, Area, Picture};
use lamina_jobs::{NewJob, Phase};
use lamina_store::annotation_imports::{self, AnnotationImport};
use lamina_store::datasets::{self, access_of_system};
use lamina_store::generations;
use lamina_types::{
    AnnotateSpec, DatasetId, DatasetStatus, EnrichmentType, EntityType, ExportFormat, JobKind,
    ServeMode, SimilarityThreshold, Space,
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::export::{entry, everything, new};
use crate::world::{PICTURES, World};

/// Sides of every generated picture.
const SIZE: [f64; 2] = [320.0, 240.0];

/// Name, label, box in pixels: sides that no binary fraction hits.
fn boxes() -> Vec<(String, &'static str, [f64; 4])> {
    let mut all = Vec::new();
    for number in 0..PICTURES {
        let shift = number as f64 * 1.1;
        all.push((
            format!("{number:03}.jpg"),
            "car",
            [10.3 + shift, 20.7, 100.1, 50.9],
        ));
        if number % 3 == 0 {
            all.push((
                format!("{number:03}.jpg"),
                "traffic light",
                [150.0, 99.9 + shift, 33.3, 44.4],
            ));
        }
    }
    all
}

fn coco() -> Value {
    let images: Vec<Value> = (0..PICTURES)
        .map(|number| json!({"id": number + 100, "file_name": format!("{number:03}.jpg"), "width": SIZE[0], "height": SIZE[1]}))
        .collect();
    let annotations: Vec<Value> = boxes()
        .iter()
        .enumerate()
        .map(|(place, (name, label, area))| {
            let image: u64 = name[..3].parse().unwrap();
            let category = if *label == "car" { 3 } else { 10 };
            json!({"id": 5_000 + place, "image_id": image + 100, "category_id": category, "bbox": area, "iscrowd": 0})
        })
        .collect();
    json!({"images": images, "annotations": annotations,
           "categories": [{"id": 3, "name": "car"}, {"id": 10, "name": "traffic light"}]})
}

/// Name and bytes of a file.
type Sent<'a> = (&'a str, &'a [u8]);

type Found = BTreeMap<(String, String), Vec<[f64; 4]>>;

fn expected() -> Found {
    let mut all = Found::new();
    for (name, label, area) in boxes() {
        all.entry((name, label.to_owned())).or_default().push(area);
    }
    all
}

/// The boxes of an archive in pixels, read by our own reader.
fn boxes_in(files: Vec<lamina_export::reading::FileRows>) -> Found {
    let mut all = Found::new();
    for row in files.into_iter().flat_map(|file| file.rows) {
        let Some(area) = row.area else { continue };
        let name = match row.picture {
            Picture::Path(path) => path,
            Picture::Stem(stem) => format!("{stem}.jpg"),
            Picture::Id(id) => id.to_string(),
        };
        let [width, height] = SIZE;
        let sides = match area {
            Area::Pixels(sides, _) => sides,
            Area::Fractions([x, y, w, h]) => [x * width, y * height, w * width, h * height],
        };
        all.entry((name, row.label.unwrap()))
            .or_default()
            .push(sides);
    }
    all
}

fn assert_same(found: &Found, expected: &Found) {
    let names = |all: &Found| -> Vec<(String, String)> { all.keys().cloned().collect() };
    assert_eq!(names(found), names(expected));
    for (name, areas) in expected {
        let others = &found[name];
        assert_eq!(others.len(), areas.len(), "{name:?}");
        for (area, other) in areas.iter().zip(others) {
            for (side, other) in area.iter().zip(other) {
                assert!((side - other).abs() < 1e-6, "{name:?}: {area:?} {other:?}");
            }
        }
    }
}

impl World {
    /// Brings files to a dataset, as the endpoint does, and waits until they are taken over.
    async fn annotate(&self, dataset: DatasetId, files: &[(&str, &[u8])]) -> AnnotationImport {
        let mut reader = AnnotationReader::default();
        for (name, bytes) in files {
            reader.add(name, bytes);
        }
        let mut tx = self.pool.begin().await.unwrap();
        let (from, next) = ([DatasetStatus::Ready], DatasetStatus::ReadOnly);
        datasets::move_status(&mut tx, dataset, &from, next)
            .await
            .unwrap();
        let import = lamina_export::stage(&mut tx, dataset, None, reader.finish())
            .await
            .unwrap();
        let job = NewJob::new(
            JobKind::Annotate.as_str(),
            None,
            Some(dataset.as_uuid()),
            &AnnotateSpec {
                dataset_id: dataset,
                import_id: import.id,
            },
            Phase::single(JobKind::Annotate.first_phase()),
        );
        lamina_jobs::enqueue(&mut tx, job.unwrap()).await.unwrap();
        tx.commit().await.unwrap();
        self.work().await;
        assert_eq!(self.find(dataset).await.status, DatasetStatus::Ready);
        annotation_imports::find(&self.pool, import.id)
            .await
            .unwrap()
            .unwrap()
    }

    /// How many items with a label a reader finds.
    async fn labelled(&self, dataset: DatasetId, entity: EntityType, label: &str) -> usize {
        let access = access_of_system(&self.pool, dataset)
            .await
            .unwrap()
            .unwrap();
        let mut plan = ExplorePlan::browse(entity, SimilarityThreshold::FINEST, 0);
        let names = vec![label.to_owned()];
        plan.filters.push(
            Labels {
                test: SetTest::OneOf,
                names,
            }
            .into(),
        );
        let found = self.explorer().select(&access, &plan, None).await.unwrap();
        found.unwrap().len()
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn coco_at_creation_is_explored_by_label_and_comes_out_again(pool: PgPool) {
    let world = World::new(pool);
    fs_err::write(world.photos.join("annotations.json"), coco().to_string()).unwrap();
    let table = "filename,label,caption\n000.jpg,\"['day','wet']\",a wet road\n001.jpg,day,\nnobody.jpg,day,\n";
    fs_err::write(world.photos.join("image_annotations.csv"), table).unwrap();
    let ada = world.user("ada").await;
    let id = world.dataset(&ada, ServeMode::Copy).await;
    let shown = world.find(id).await;
    // The annotation files are no pictures that could not be read.
    assert_eq!(u64::from(shown.n_images), PICTURES + 1);
    let imports = annotation_imports::list(&world.pool, id).await.unwrap();
    assert_eq!(imports.len(), 1);
    let import = &imports[0];
    assert_eq!(import.result_message, None);
    assert_eq!(shown.n_objects as usize, boxes().len());
    assert_eq!(import.status, "COMPLETED", "{import:?}");
    assert_eq!(
        (import.boxes as usize, import.labels, import.captions),
        (boxes().len(), 3, 1)
    );
    let problems = annotation_imports::problems(&world.pool, import.id, 10)
        .await
        .unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (
            problems[0].file.as_str(),
            problems[0].place,
            problems[0].picture.as_deref()
        ),
        ("image_annotations.csv", 4, Some("nobody.jpg"))
    );
    let (images, objects) = (EntityType::Images, EntityType::Objects);
    assert_eq!(world.labelled(id, objects, "car").await as u64, PICTURES);
    assert_eq!(world.labelled(id, objects, "traffic light").await, 4);
    assert_eq!(world.labelled(id, images, "day").await, 2);
    assert_eq!(world.labelled(id, images, "wet").await, 1);
    let generation = generations::latest(&world.pool, id, objects, Space::Index)
        .await
        .unwrap();
    assert_eq!(generation.unwrap().count as usize, boxes().len());
    world.assert_clean().await;

    // Out again, in every format that holds boxes.
    let members = everything(PICTURES as u32 + 1);
    for format in [
        ExportFormat::Coco,
        ExportFormat::Yolo,
        ExportFormat::Voc,
        ExportFormat::Csv,
    ] {
        let (export, _) = world.exported(&ada, id, new(format, members.clone())).await;
        let bytes = world.blobs.get(&export.blob_key.unwrap()).await.unwrap();
        let mut reader = AnnotationReader::default();
        reader.add("export.zip", &bytes);
        assert_same(&boxes_in(reader.finish()), &expected());
    }
    let (_, mut archive) = world
        .exported(&ada, id, new(ExportFormat::Json, members))
        .await;
    let document: Value = serde_json::from_slice(&entry(&mut archive, "metadata.json")).unwrap();
    let items = document["media_items"].as_array().unwrap();
    let entries = items
        .iter()
        .flat_map(|item| item["metadata_items"].as_array().unwrap());
    let mut ids: Vec<i64> = Vec::new();
    for label in entries.filter(|entry| entry["type"] == "object_label") {
        assert_eq!(label["properties"]["source"], "User");
        ids.push(label["properties"]["original_id"].as_i64().unwrap());
    }
    ids.sort_unstable();
    let expected_ids: Vec<i64> = (5_000..).take(boxes().len()).collect();
    assert_eq!(ids, expected_ids);
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_kind_of_file_is_taken_later_and_bad_rows_cost_only_themselves(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::ReduceDiskSpace).await;
    let all = boxes();
    let [width, height] = SIZE;
    let mut table = "filename,col_x,row_y,width,height,label\n".to_owned();
    let mut yolo: BTreeMap<String, String> = BTreeMap::new();
    let mut voc: BTreeMap<String, String> = BTreeMap::new();
    for (name, label, [x, y, w, h]) in &all {
        table.push_str(&format!("{name},{x},{y},{w},{h},{label}\n"));
        let class = usize::from(*label != "car");
        let line = format!(
            "{class} {} {} {} {}\n",
            (x + w / 2.0) / width,
            (y + h / 2.0) / height,
            w / width,
            h / height
        );
        yolo.entry(name.replace(".jpg", ".txt"))
            .or_default()
            .push_str(&line);
        let object = format!(
            "<object><name>{label}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>",
            x + w,
            y + h
        );
        voc.entry(name.clone()).or_default().push_str(&object);
    }
    // Rows that cannot be used: outside, unknown, ambiguous, no number.
    table.push_str("000.jpg,500,500,9,9,car\nno.jpg,1,1,9,9,car\n000.jpg,x,1,9,9,car\n");
    let voc: Vec<(String, String)> = voc
        .into_iter()
        .map(|(name, objects)| {
            let text = format!("<annotation><filename>{name}</filename><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>");
            (name.replace(".jpg", ".xml"), text)
        })
        .collect();
    let mut of_yolo: Vec<(&str, &[u8])> = vec![("classes.txt", b"car\ntraffic light\n")];
    of_yolo.extend(
        yolo.iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes())),
    );
    let of_voc: Vec<(&str, &[u8])> = voc
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .collect();
    let coco = coco().to_string();
    let kinds: [(&[Sent<'_>], u64); 4] = [
        (&[("annotations.json", coco.as_bytes())], 0),
        (&[("object_annotations.csv", table.as_bytes())], 3),
        (&of_yolo, 0),
        (&of_voc, 0),
    ];
    let members = everything(PICTURES as u32 + 1);
    for (files, problems) in kinds {
        let id = world
            .enriched(source, &[EnrichmentType::ImageTagging])
            .await;
        let import = world.annotate(id, files).await;
        assert_eq!(import.status, "COMPLETED");
        assert_eq!(
            (import.boxes as usize, import.problems),
            (all.len(), problems),
            "{}",
            files[0].0
        );
        assert_eq!(
            world
                .labelled(id, EntityType::Objects, "traffic light")
                .await,
            4
        );
        let (export, _) = world
            .exported(&ada, id, new(ExportFormat::Coco, members.clone()))
            .await;
        let bytes = world.blobs.get(&export.blob_key.unwrap()).await.unwrap();
        let mut reader = AnnotationReader::default();
        reader.add("export.zip", &bytes);
        assert_same(&boxes_in(reader.finish()), &expected());
        // The same again adds nothing.
        let again = world.annotate(id, files).await;
        assert_eq!(again.boxes as usize, all.len());
        assert_eq!(world.find(id).await.n_objects as usize, all.len());
        world.assert_clean().await;
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn objects_of_people_stand_beside_those_of_models_and_outlive_them(pool: PgPool) {
    let world = World::new(pool);
    let ada = world.user("ada").await;
    let source = world.dataset(&ada, ServeMode::Copy).await;
    let copy = world
        .enriched(source, &[EnrichmentType::ObjectDetection])
        .await;
    let of_models = world.find(copy).await.n_objects as usize;
    let import = world
        .annotate(copy, &[("annotations.json", coco().to_string().as_bytes())])
        .await;
    assert_eq!(import.boxes as usize, boxes().len());
    assert_eq!(
        world.find(copy).await.n_objects as usize,
        of_models + boxes().len()
    );
    let sql = "select count(*) from objects where dataset_id = $1 and source = 'User'";
    assert_eq!(world.count(sql, copy).await as usize, boxes().len());
    world.assert_clean().await;
    // A new run of the detector replaces its own objects and leaves those of people.
    let again = world
        .enriched(copy, &[EnrichmentType::ObjectDetection])
        .await;
    assert_eq!(world.count(sql, again).await as usize, boxes().len());
    assert_eq!(
        world.find(again).await.n_objects as usize,
        of_models + boxes().len()
    );
    world.assert_clean().await;

    // Files without anything usable change nothing but the report.
    let import = world
        .annotate(
            source,
            &[
                ("annotations.json", b"{}"),
                ("x.csv", b"a,b\n"),
                ("y.exe", b""),
            ],
        )
        .await;
    assert_eq!(
        (import.status.as_str(), import.boxes, import.problems),
        ("COMPLETED", 0, 2)
    );
    world.assert_clean().await;
}
