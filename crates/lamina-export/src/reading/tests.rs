//! What is written can be read; what cannot be read is said, and costs nothing else.

use std::io::{Cursor, Write as _};

use lamina_types::ExportFormat;

use super::*;
use crate::item::Item;
use crate::sample::{about, item};

/// An archive of these items in a format.
fn written(format: ExportFormat, items: &[Item]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    {
        let about = about(items.len() as u64);
        let mut writer = crate::formats::writer(format, &mut archive, &about).unwrap();
        for item in items {
            writer.item(item).unwrap();
        }
        writer.finish().unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn read(name: &str, bytes: &[u8]) -> Vec<FileRows> {
    let mut reader = AnnotationReader::default();
    reader.add(name, bytes);
    reader.finish()
}

fn one(name: &str, bytes: &[u8]) -> FileRows {
    let mut files = read(name, bytes);
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn boxes_come_back_from_every_format_that_holds_them() {
    let items = [item(1), item(2)];
    for format in [
        ExportFormat::Coco,
        ExportFormat::Csv,
        ExportFormat::Yolo,
        ExportFormat::Voc,
    ] {
        let files = read("x.zip", &written(format, &items));
        assert!(
            files.iter().all(|file| {
                // A table of media is no table of annotations.
                file.problems.is_empty() || file.file == "media.csv"
            }),
            "{format}: {files:?}"
        );
        let boxes: Vec<&Row> = files
            .iter()
            .flat_map(|file| &file.rows)
            .filter(|row| row.area.is_some())
            .collect();
        assert_eq!(boxes.len(), 2, "{format}");
        for (row, item) in boxes.iter().zip(&items) {
            assert_eq!(row.label.as_deref(), Some("car"), "{format}");
            let stem = item.file_path.trim_end_matches(".jpg");
            assert_eq!(
                row.picture,
                if format == ExportFormat::Yolo {
                    Picture::Stem(stem.to_owned())
                } else {
                    Picture::Path(item.file_path.clone())
                }
            );
            let expected = [20.0, 10.0, 40.0, 50.0];
            let found = match row.area.unwrap() {
                Area::Pixels(sides, _) => sides,
                Area::Fractions([x, y, width, height]) => {
                    [x * 200.0, y * 100.0, width * 200.0, height * 100.0]
                }
            };
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 1e-9,
                    "{format}: {found} {expected}"
                );
            }
        }
    }
    // Labels of whole pictures are in the tables.
    let files = read("x.zip", &written(ExportFormat::Csv, &items));
    let labels = files.iter().flat_map(|file| &file.rows);
    let whole = labels.filter(|row| row.area.is_none() && row.label.as_deref() == Some("van"));
    assert_eq!(whole.count(), 2);
}

#[test]
fn coco_entries_are_judged_one_by_one() {
    let text = r#"{"images":[{"id":1,"file_name":"./a/b.jpg","width":10,"height":20},{"id":"x"}],
        "categories":[{"id":3,"name":" dog "}],
        "annotations":[
            {"id":7,"image_id":1,"category_id":3,"bbox":[1,2,3.5,4]},
            {"id":8,"image_id":9,"category_id":3,"bbox":[1,2,3,4]},
            {"id":9,"image_id":1,"category_id":4,"bbox":[1,2,3,4]},
            {"id":10,"image_id":1,"category_id":3,"bbox":[1,2,3]},
            {"id":11,"image_id":1,"category_id":3},
            {"id":12,"image_id":1,"caption":"a dog"},
            {"id":13,"image_id":1},
            {"id":14,"image_id":1,"category_id":3,"bbox":"no"}, 5]}"#;
    let file = one("annotations.json", text.as_bytes());
    let ids: Vec<i64> = file.rows.iter().map(|row| row.original_id).collect();
    assert_eq!(ids, [7, 11, 12]);
    assert_eq!(file.rows[0].picture, Picture::Path("a/b.jpg".to_owned()));
    assert_eq!(file.rows[0].label.as_deref(), Some("dog"));
    assert_eq!(
        file.rows[0].area,
        Some(Area::Pixels([1.0, 2.0, 3.5, 4.0], Some([10, 20])))
    );
    let places: Vec<u64> = file.problems.iter().map(|problem| problem.place).collect();
    assert_eq!(places, [2, 2, 3, 4, 7, 8, 9]);
    for broken in ["", "[]", "{", "{\"images\":3}"] {
        assert_eq!(
            one("annotations.json", broken.as_bytes()).problems.len(),
            1,
            "{broken}"
        );
    }
}

#[test]
fn tables_are_read_as_people_write_them() {
    let text = "\u{feff}filename,label,caption\na.jpg,cat,\nb.jpg,\"['cat', 'dog']\",two\nc.jpg,\"[\"\"x,y\"\"]\",\n,cat,\nd.jpg,,alone\n";
    let file = one("image_annotations.csv", text.as_bytes());
    let said: Vec<(Option<&str>, Option<&str>)> = file
        .rows
        .iter()
        .map(|row| (row.label.as_deref(), row.caption.as_deref()))
        .collect();
    assert_eq!(
        said,
        [
            (Some("cat"), None),
            (Some("cat"), None),
            (Some("dog"), None),
            (None, Some("two")),
            (Some("x,y"), None),
            (None, Some("alone")),
        ]
    );
    assert_eq!(file.problems.len(), 1);
    assert_eq!(file.problems[0].place, 5);

    let id = Uuid::now_v7();
    let text = format!(
        "Media_ID,label,col_x,row_y,width,height,original_id\n{id},car,1,2,3,4,77\nx,car,1,2,3,4,5\n{id},car,1,two,3,4,5\n"
    );
    let file = one("object_annotations.csv", text.as_bytes());
    assert_eq!(file.rows.len(), 1);
    assert_eq!(file.rows[0].picture, Picture::Id(id));
    assert_eq!(file.rows[0].original_id, 77);
    assert_eq!(file.problems.len(), 2);
    for broken in ["", "label\nx\n", "filename,col_x\na,1\n", "filename\na\n"] {
        let file = one("object_annotations.csv", broken.as_bytes());
        assert_eq!((file.rows.len(), file.problems.len()), (0, 1), "{broken:?}");
    }
    assert_eq!(one("image_annotations.parquet", b"PAR1").problems.len(), 1);
}

#[test]
fn names_of_classes_come_in_many_forms() {
    for (name, text) in [
        ("data.yaml", "path: .\nnames: [cat, 'big dog']\nnc: 2\n"),
        (
            "data.yaml",
            "names:\n  0: cat\n  1: \"big dog\" # both\ntrain: x\n",
        ),
        ("data.yaml", "names:\n- cat\n- big dog\n"),
        ("data.yaml", "names: {0: cat, 1: big dog}\n"),
        ("classes.txt", "cat\nbig dog\n"),
        ("obj.names", "cat\r\nbig dog"),
    ] {
        let mut reader = AnnotationReader::default();
        let lines = "0 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.2 0.4 0.9\n1 0.1 0.1 0.3 0.1 0.3 0.5\n\n2 0.5 0.5 0.2 0.4\nx 1 1 1 1\n1 1\n";
        reader.add("labels/train/a.txt", lines.as_bytes());
        reader.add(name, text.as_bytes());
        let files = reader.finish();
        assert_eq!(files.len(), 1, "{name}");
        let rows = &files[0].rows;
        let labels: Vec<&str> = rows.iter().filter_map(|row| row.label.as_deref()).collect();
        assert_eq!(labels, ["cat", "big dog", "big dog"], "{text}");
        assert_eq!(rows[0].picture, Picture::Stem("train/a".to_owned()));
        let places: Vec<u64> = files[0]
            .problems
            .iter()
            .map(|problem| problem.place)
            .collect();
        assert_eq!(places, [5, 6, 7]);
        let Some(Area::Fractions([x, y, width, height])) = rows[2].area else {
            panic!("{:?}", rows[2]);
        };
        assert!(
            (x - 0.1).abs() + (y - 0.1).abs() + (width - 0.2).abs() + (height - 0.4).abs() < 1e-12
        );
    }
}

#[test]
fn voc_files_name_their_picture_or_are_called_like_it() {
    let object = "<object><name>cat &amp; dog</name><part><name>head</name><bndbox><xmin>0</xmin></bndbox></part>\
                  <bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>4</xmax><ymax>6</ymax></bndbox></object>";
    let text = format!(
        "<?xml version=\"1.0\"?><annotation><filename>b.jpg</filename>{object}<object><name>x</name></object></annotation>"
    );
    let file = one("Annotations/a/b.xml", text.as_bytes());
    assert_eq!(file.rows.len(), 1);
    assert_eq!(file.rows[0].picture, Picture::Path("a/b.jpg".to_owned()));
    assert_eq!(file.rows[0].label.as_deref(), Some("cat & dog"));
    assert_eq!(
        file.rows[0].area,
        Some(Area::Pixels([1.5, 2.0, 2.5, 4.0], None))
    );
    assert_eq!(file.problems.len(), 1);
    let nameless = format!("<annotation>{object}</annotation>");
    let file = one("c.xml", nameless.as_bytes());
    assert_eq!(file.rows[0].picture, Picture::Stem("c".to_owned()));
    assert_eq!(
        one("c.xml", b"<annotation><object></annotation>")
            .problems
            .len(),
        1
    );
}

#[test]
fn only_the_files_of_the_contract_are_taken_out_of_a_source() {
    let names = [
        "a.jpg",
        "annotations.json",
        "sub/annotations.json",
        "object_annotations.parquet",
        "other.csv",
        "voc/a.xml",
        "labels/a.txt",
        "notes.txt",
    ];
    assert_eq!(annotation_files(names.into_iter()), [1, 3, 5]);
    let with_classes = names.into_iter().chain(["data.yaml"]);
    assert_eq!(annotation_files(with_classes), [1, 3, 5, 6, 7, 8]);
}

#[test]
fn archives_are_looked_into_once_and_bad_ones_are_said() {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for name in ["a.jpg", "inner.zip", "image_annotations.csv"] {
        archive.start_file(name, options).unwrap();
        archive.write_all(b"filename,label\na.jpg,cat\n").unwrap();
    }
    let bytes = archive.finish().unwrap().into_inner();
    assert_eq!(one("x.zip", &bytes).rows.len(), 1);
    assert_eq!(one("x.zip", b"PK").problems.len(), 1);
    assert_eq!(one("x.exe", b"MZ").problems.len(), 1);
}
