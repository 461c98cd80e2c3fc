//! A folder and an archive made by somebody who means harm, or by bad luck: the rest of the dataset is READY.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use lamina_media::demo::{Scene, encode_png};
use lamina_testkit::pictures;
use serde_json::Value;

use crate::support::{assert_clean, at_rest, explore_all, get, import, installation, served};

/// A PNG head that declares this size and holds nothing.
fn declared_png(width: u32, height: u32) -> Vec<u8> {
    let mut head = b"IHDR".to_vec();
    head.extend_from_slice(&width.to_be_bytes());
    head.extend_from_slice(&height.to_be_bytes());
    head.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d".to_vec();
    png.extend_from_slice(&head);
    png.extend_from_slice(&crc32(&head).to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

/// Files that are taken, by name.
fn good() -> BTreeMap<&'static str, Vec<u8>> {
    let jpeg = pictures::picture(1).unwrap();
    let pixel = encode_png(&Scene::new(2).draw(1, 1)).unwrap();
    BTreeMap::from([
        ("plain.jpg", jpeg.clone()),
        ("really-a-jpeg.png", pictures::picture(2).unwrap()),
        ("one-pixel.png", pixel),
        (
            "one-row.png",
            encode_png(&Scene::new(3).draw(600, 1)).unwrap(),
        ),
        ("cut-short.jpg", jpeg[..jpeg.len() * 2 / 3].to_vec()),
        (
            "with, \"quotes\" and 'more'.jpg",
            pictures::picture(4).unwrap(),
        ),
        (
            "\u{30d5}\u{30a9}\u{30c8}-\u{202e}gpj.jpg",
            pictures::picture(5).unwrap(),
        ),
        ("=cmd().jpg", pictures::picture(6).unwrap()),
    ])
}

/// Files that are not, by name, with the reason.
fn bad() -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
    let png = encode_png(&Scene::new(9).draw(64, 64)).unwrap();
    let gif = b"GIF89a\xff\xff\xff\xff\x00\x00\x00".to_vec();
    BTreeMap::from([
        ("empty.jpg", (Vec::new(), "empty")),
        (
            "page.jpg",
            (
                b"<html><script>alert(1)</script></html>".to_vec(),
                "unsupported_format",
            ),
        ),
        (
            "drawing.svg",
            (
                b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
                "unsupported_format",
            ),
        ),
        ("cut.png", (png[..png.len() / 2].to_vec(), "damaged")),
        (
            "bomb.png",
            (declared_png(60_000, 60_000), "too_many_pixels"),
        ),
        ("wide.png", (declared_png(1_000_000, 1), "too_many_pixels")),
        ("no-frames.gif", (gif, "damaged")),
        (
            "noise.jpg",
            (
                (0..4096_u32)
                    .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
                    .collect(),
                "unsupported_format",
            ),
        ),
    ])
}

fn write_all(folder: &Path) {
    std::fs::create_dir_all(folder.join("deep/er")).unwrap();
    for (name, bytes) in good() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    for (name, (bytes, _)) in bad() {
        std::fs::write(folder.join("deep/er").join(name), bytes).unwrap();
    }
}

#[test]
fn a_hostile_folder_costs_a_row_a_file_and_nothing_else() {
    let home = installation();
    let (mut server, client) = served(&home);
    let folder = home.data.path().join("hostile");
    write_all(&folder);
    // What must not be followed, opened or waited for.
    std::os::unix::fs::symlink("/etc/passwd", folder.join("passwd.jpg")).unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("loop")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(folder.join("pipe.jpg"))
        .status()
        .unwrap();
    assert!(pipe.success());
    let odd = std::ffi::OsStr::from_bytes(b"not-utf8-\xff\xfe.jpg");
    std::fs::write(folder.join(odd), pictures::picture(7).unwrap()).unwrap();
    std::fs::write(
        folder.join("line\nbreak.jpg"),
        pictures::picture(8).unwrap(),
    )
    .unwrap();

    let summary = import(&home, &folder, "hostile");
    let taken = good().len() + 2;
    assert_eq!(
        (&summary["status"], &summary["n_images"]),
        (&"READY".into(), &taken.into()),
        "{summary}"
    );
    let mut expected: BTreeMap<String, u64> =
        BTreeMap::from([("not_a_regular_file".to_owned(), 3)]);
    for (_, (_, reason)) in bad() {
        *expected.entry(reason.to_owned()).or_default() += 1;
    }
    let counted: BTreeMap<String, u64> =
        serde_json::from_value(summary["rejected_by_reason"].clone()).unwrap();
    assert_eq!(counted, expected);
    let report = std::fs::read_to_string(summary["report"].as_str().unwrap()).unwrap();
    for name in bad().keys() {
        assert!(report.contains(name), "{name} is not in the report");
    }

    let id = summary["dataset_id"].as_str().unwrap();
    let members: u64 = explore_all(&client, id, "threshold=4")
        .iter()
        .map(|cluster| cluster["n_images"].as_u64().unwrap())
        .sum();
    assert_eq!(members, taken as u64);
    assert!(server.is_running().unwrap());
    assert_clean(&home);
}

#[test]
fn a_hostile_archive_writes_nothing_outside_and_loses_nothing_inside() {
    let home = installation();
    let (mut server, client) = served(&home);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let packed = zip::write::SimpleFileOptions::default();
    for (name, bytes) in good() {
        writer.start_file(name, stored).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    let outside = ["../../escaped.jpg", "/tmp/escaped.jpg", "C:\\escaped.jpg"];
    for name in outside {
        writer.start_file(name, stored).unwrap();
        writer.write_all(&pictures::picture(20).unwrap()).unwrap();
    }
    // Thirty million zeros in thirty kilobytes.
    writer.start_file("bomb.bmp", packed).unwrap();
    writer.write_all(&vec![0; 30_000_000]).unwrap();
    writer
        .add_symlink("link.jpg", "/etc/passwd", stored)
        .unwrap();
    let archive = writer.finish().unwrap().into_inner();
    let path = home.data.path().join("hostile.zip");
    std::fs::write(&path, archive).unwrap();

    let summary = import(&home, &path, "hostile archive");
    assert_eq!(
        (&summary["status"], &summary["n_images"]),
        (&"READY".into(), &good().len().into()),
        "{summary}"
    );
    assert_eq!(summary["rejected"], 5, "{summary}");
    assert!(
        !home
            .data
            .path()
            .parent()
            .unwrap()
            .join("escaped.jpg")
            .exists()
    );
    assert!(!Path::new("/tmp/escaped.jpg").exists());
    assert!(server.is_running().unwrap());

    // What is no archive at all is refused at the door.
    std::fs::write(&path, b"PK\x03\x04 but nothing else").unwrap();
    let output = home
        .run(
            "import",
            &[
                path.to_str().unwrap(),
                "--name",
                "no archive",
                "--wait",
                "--json",
            ],
        )
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let failed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dataset = at_rest(&client, failed["dataset_id"].as_str().unwrap());
    assert_eq!(dataset["status_new"], "ERROR");
    assert!(get(&client, "/datasets").as_array().unwrap().len() >= 2);
    assert_clean(&home);
}
