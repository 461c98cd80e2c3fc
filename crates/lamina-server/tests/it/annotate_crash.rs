//! kill -9 in the middle of taking annotations over, at a dataset's creation and later: the same answers as if nothing had happened.

use std::path::Path;

use lamina_testkit::client::{Client, FormFile};
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, Server};
use serde_json::{Value, json};

use crate::support::{PATIENCE, assert_clean, at_rest, everything_said, get, import, installation};

/// Pictures of a dataset.
const PICTURES: usize = 24;

/// Every place in the taking over of annotations where the process is made to end.
const POINTS: &[&str] = &[
    "annotate_matched_before_commit",
    "annotate_cut_before_commit",
    "annotate_taken",
    "annotate_ready_before_commit",
];

/// Labels of pictures and boxes of objects, among them some that cannot be used.
fn tables(folder: &Path) -> [(&'static str, String); 2] {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".jpg"))
        .collect();
    names.sort();
    let mut labels = "filename,label\nnobody.jpg,lost\n".to_owned();
    let mut boxes = "filename,col_x,row_y,width,height,label\n".to_owned();
    for (number, name) in names.iter().enumerate() {
        labels += &format!("{name},{}\n", ["street", "field"][number % 2]);
        for left in [10, 80, 150] {
            let size = 30 + number;
            boxes += &format!("{name},{left},20,{size},{size},thing {}\n", number % 4);
        }
    }
    boxes += &format!("{},400,20,30,30,outside\n", names[0]);
    [
        ("image_annotations.csv", labels),
        ("object_annotations.csv", boxes),
    ]
}

fn serve(home: &Installation, point: Option<&str>) -> Server {
    home.serve(|command| {
        command.args(["--lease", "2s", "--chunk-files", "16"]);
        if let Some(point) = point {
            command.env("FAILPOINTS", format!("{point}=1*panic(kill)"));
        }
    })
    .unwrap()
}

/// Asks for the import of a folder; the dataset.
fn enqueue(home: &Installation, folder: &Path) -> String {
    let path = folder.to_str().unwrap();
    let output = home
        .run("import", &[path, "--name", "Annotated", "--json"])
        .unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["dataset_id"].as_str().unwrap().to_owned()
}

fn send(client: &Client, dataset: &str, tables: &[(&str, String)]) -> anyhow::Result<u16> {
    let parts: Vec<FormFile<'_>> = tables
        .iter()
        .map(|(name, text)| FormFile {
            field: "files",
            file_name: name,
            bytes: text.as_bytes(),
        })
        .collect();
    let path = format!("/api/v1/dataset/{dataset}/annotations");
    Ok(client.post_files(&path, &parts)?.status)
}

/// What a dataset says of itself and of what was brought.
fn said(client: &Client, id: &str) -> (Vec<String>, Vec<Value>) {
    let imports = get(client, &format!("/dataset/{id}/annotations"));
    let reports = imports.as_array().unwrap().iter().map(|import| {
        json!([
            import["status"],
            import["labels"],
            import["boxes"],
            import["problems_count"]
        ])
    });
    (everything_said(client, id), reports.collect())
}

#[test]
fn annotations_are_taken_over_once_whenever_the_process_ends() {
    let calm = installation();
    let plain = calm.data.path().join("plain");
    pictures::write_mixed(&plain, PICTURES, 0).unwrap();
    let with_tables = calm.data.path().join("with tables");
    pictures::write_mixed(&with_tables, PICTURES, 0).unwrap();
    let tables = tables(&plain);
    for (name, text) in &tables {
        std::fs::write(with_tables.join(name), text).unwrap();
    }
    let server = serve(&calm, None);
    let client = server.client(Some(calm.token().unwrap()));
    let created = enqueue(&calm, &with_tables);
    assert_eq!(at_rest(&client, &created)["status_new"], "READY");
    let expected = said(&client, &created);
    let (labels, boxes) = (PICTURES, 3 * PICTURES);
    assert!(
        expected.1 == [json!(["COMPLETED", labels, boxes, 2])],
        "{:?}",
        expected.1
    );
    let later = enqueue(&calm, &plain);
    at_rest(&client, &later);
    assert_eq!(send(&client, &later, &tables).unwrap(), 200);
    assert_eq!(at_rest(&client, &later)["n_objects"], boxes);
    assert_eq!(said(&client, &later), expected, "brought at once or later");
    drop(server);

    for point in POINTS {
        let home = installation();
        let later = import(&home, &plain, "Annotated")["dataset_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let token = home.token().unwrap();
        let mut server = serve(&home, Some(point));
        let created = enqueue(&home, &with_tables);
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));

        // The rest of that, then the same again later.
        let server = serve(&home, None);
        let client = server.client(Some(token.clone()));
        assert_eq!(at_rest(&client, &created)["status_new"], "READY", "{point}");
        assert_eq!(said(&client, &created), expected, "{point}, at creation");
        drop(server);
        let mut server = serve(&home, Some(point));
        let client = server.client(Some(token.clone()));
        // Whoever is cut off gets no answer.
        let _ = send(&client, &later, &tables);
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));
        let server = serve(&home, None);
        let client = server.client(Some(token));
        assert_eq!(at_rest(&client, &later)["status_new"], "READY", "{point}");
        assert_eq!(said(&client, &later), expected, "{point}, later");
        drop(server);
        assert_clean(&home);
    }
}
