//! Archives as honest tools write them.

use std::io::{Cursor, Write};

use lamina_types::RejectReason;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::raw_zip::{RawEntry, build};
use super::*;
use crate::sources::{ArchiveSource, SourceError, SourceLimits, open_zip};

fn open(place: &Place, archive: &[u8]) -> ArchiveSource {
    open_zip(
        &place.write("a.zip", archive),
        &place.roots(),
        SourceLimits::default(),
    )
    .unwrap()
}

fn picture(number: usize) -> Vec<u8> {
    (0..10_000 + number)
        .map(|i| ((i * i * (number + 3)) >> 5) as u8)
        .collect()
}

#[test]
fn files_of_every_honest_kind_come_with_their_bytes() {
    let place = Place::new();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    writer.add_directory("sub", stored).unwrap();
    for (number, (name, options)) in [
        ("sub/z.jpg", stored),
        ("b.jpg", deflated),
        ("Größe 猫.jpg", deflated),
        ("sub/zip64.jpg", stored.large_file(true)),
        ("sub/zip64 deflated.jpg", deflated.large_file(true)),
        ("a.jpg", deflated.unix_permissions(0o600)),
        ("__MACOSX/._a.jpg", deflated),
        (".DS_Store", deflated),
    ]
    .into_iter()
    .enumerate()
    {
        writer.start_file(name, options).unwrap();
        writer.write_all(&picture(number)).unwrap();
    }
    writer.start_file("empty.jpg", deflated).unwrap();
    let archive = writer.finish().unwrap().into_inner();
    let source = open(&place, &archive);
    let items = list(&source);
    assert_eq!(
        uris(&items),
        [
            "Größe 猫.jpg",
            "a.jpg",
            "b.jpg",
            "empty.jpg",
            "sub/z.jpg",
            "sub/zip64 deflated.jpg",
            "sub/zip64.jpg"
        ]
    );
    assert_fit_to_store(&items);
    assert!(items.iter().all(|item| item.rejection.is_none()));
    for (item, number) in
        items
            .iter()
            .zip([Some(2), Some(5), Some(1), None, Some(0), Some(4), Some(3)])
    {
        assert_eq!(
            bytes(&source, item),
            number.map(picture).unwrap_or_default(),
            "{}",
            item.original_uri
        );
        assert_eq!(
            source.fetch(&item.source_key, MANY_BYTES).unwrap().path,
            None
        );
    }
    assert_eq!(items[4].file_name, "z.jpg");
    // The same keys after opening again.
    assert_eq!(list(&open(&place, &archive)), items);
}

#[test]
fn sizes_written_behind_the_bytes_are_read_from_the_directory() {
    let place = Place::new();
    let mut writer = ZipWriter::new_stream(Vec::new());
    for number in 0..3 {
        writer
            .start_file(format!("{number}.jpg"), SimpleFileOptions::default())
            .unwrap();
        writer.write_all(&picture(number)).unwrap();
    }
    let source = open(&place, &writer.finish().unwrap().into_inner());
    let items = list(&source);
    let read: Vec<_> = items.iter().map(|item| bytes(&source, item)).collect();
    assert_eq!(read, [picture(0), picture(1), picture(2)]);
}

#[test]
fn names_that_repeat_are_files_of_their_own() {
    let place = Place::new();
    let entries = [b"one", b"two", b"six"].map(|content| RawEntry::stored("a.jpg", content));
    let source = open(&place, &build(&entries));
    let items = list(&source);
    assert_fit_to_store(&items);
    assert_eq!(uris(&items), ["a.jpg"; 3]);
    let read: Vec<_> = items.iter().map(|item| bytes(&source, item)).collect();
    assert_eq!(read, [b"one", b"two", b"six"]);
}

#[test]
fn names_of_other_systems_are_understood() {
    let place = Place::new();
    let source = open(
        &place,
        &build(&[
            RawEntry::stored("photos\\a.jpg", b"1"),
            RawEntry::stored("photos\\", b""),
            RawEntry::stored("./b//c.jpg", b"2"),
            // Code page 437: the 0x84 of an old archiver.
            RawEntry::stored(b"B\x84r.jpg", b"3"),
            RawEntry::stored("x".repeat(60_000), b"4"),
            RawEntry::stored("tab\tand\x1bescape.jpg", b"5"),
        ]),
    );
    let items = list(&source);
    assert_fit_to_store(&items);
    assert_eq!(
        uris(&items)[..4],
        ["Bär.jpg", "b/c.jpg", "photos/a.jpg", "tabandescape.jpg"]
    );
    let read: Vec<_> = items.iter().map(|item| bytes(&source, item)).collect();
    assert_eq!(read, [b"3", b"2", b"1", b"5", b"4"]);
}

#[test]
fn an_archive_without_entries_is_an_empty_source() {
    let place = Place::new();
    assert_eq!(list(&open(&place, &build(&[]))), []);
}

#[test]
fn an_archive_in_an_archive_is_just_bytes() {
    let place = Place::new();
    let inner = build(&[RawEntry::stored("a.jpg", b"x")]);
    let source = open(&place, &build(&[RawEntry::stored("inner.zip", &inner)]));
    let items = list(&source);
    assert_eq!(uris(&items), ["inner.zip"]);
    assert_eq!(bytes(&source, &items[0]), inner);
}

#[test]
fn a_file_may_have_the_limit_of_bytes_and_no_more() {
    let place = Place::new();
    for entry in [
        RawEntry::stored("a", &picture(0)),
        RawEntry::deflated("a", &picture(0)),
    ] {
        let source = open(&place, &build(&[entry]));
        let key = &list(&source)[0].source_key;
        assert_eq!(source.fetch(key, 10_000).unwrap().bytes.len(), 10_000);
        match source.fetch(key, 9_999) {
            Err(FetchError::Rejected(rejection)) => {
                assert_eq!(rejection.reason, RejectReason::TooManyBytes)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn many_threads_fetch_from_one_archive() {
    let place = Place::new();
    let entries: Vec<_> = (0..40)
        .map(|n| RawEntry::deflated(format!("{n:02}.jpg"), &picture(n)))
        .collect();
    let source = open(&place, &build(&entries));
    let items = list(&source);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (source, items) = (&source, &items);
            scope.spawn(move || {
                for step in 0..40 {
                    let number = (thread * 7 + step) % 40;
                    assert_eq!(bytes(source, &items[number]), picture(number));
                }
            });
        }
    });
}

#[test]
fn keys_of_another_archive_fetch_nothing() {
    let place = Place::new();
    let source = open(&place, &build(&[RawEntry::stored("a.jpg", b"x")]));
    assert_eq!(list(&source)[0].source_key, "0:a.jpg");
    for key in [
        "0:b.jpg",
        "1:a.jpg",
        "0",
        "a.jpg",
        "-1:a.jpg",
        "0:",
        "+0:a.jpg",
        "00:a.jpg",
        "",
        "4294967296:a.jpg",
    ] {
        assert_eq!(refusal(&source, key), RejectReason::Unreadable, "{key}");
    }
}

#[test]
fn listing_ends_at_the_limit_and_when_told_to() {
    let place = Place::new();
    let entries: Vec<_> = (0..5)
        .map(|n| RawEntry::stored(format!("{n}.jpg"), b"x"))
        .collect();
    let path = place.write("a.zip", &build(&entries));
    let open = |max_files| {
        open_zip(
            &path,
            &place.roots(),
            SourceLimits {
                max_files,
                ..SourceLimits::default()
            },
        )
        .unwrap()
    };
    assert_eq!(list(&open(5)).len(), 5);
    assert!(matches!(
        open(4).list(&|| false),
        Err(SourceError::TooManyFiles { limit: 4 })
    ));
    assert!(matches!(open(5).list(&|| true), Err(SourceError::Stopped)));
}
