//! Archives made to do harm. Each is opened, listed and fetched from; what matters is which files come out.

use std::os::unix::fs::symlink;

use lamina_types::RejectReason::{
    self, ArchiveLimit, Damaged, NotARegularFile, TooManyBytes, Unreadable,
};

use super::raw_zip::{RawEntry, build, build_with_count};
use super::*;
use crate::sources::{ArchiveSource, SourceError, SourceLimits, open_zip};

fn try_open(archive: &[u8], limits: SourceLimits) -> Result<ArchiveSource, SourceError> {
    let place = Place::new();
    open_zip(&place.write("a.zip", archive), &place.roots(), limits)
}

/// The verdict on every file of an archive, by name: from listing, or else from fetching.
fn verdicts(archive: &[u8], limits: SourceLimits) -> Vec<(String, Option<RejectReason>)> {
    let source = try_open(archive, limits).unwrap();
    let items = list(&source);
    assert_fit_to_store(&items);
    let verdict = |item: &ListedItem| match source.fetch(&item.source_key, MANY_BYTES) {
        Ok(_) => {
            assert_eq!(item.rejection, None);
            None
        }
        Err(FetchError::Rejected(rejection)) => {
            // The verdict of the listing is the one of the fetch.
            assert!(item.rejection.is_none() || item.rejection.as_ref() == Some(&rejection));
            Some(rejection.reason)
        }
        Err(FetchError::Io(error)) => panic!("{error}"),
    };
    items
        .iter()
        .map(|item| (item.file_name.clone(), verdict(item)))
        .collect()
}

const GOOD: &[u8] = b"the bytes of a fine picture";

fn good() -> RawEntry {
    RawEntry::deflated("good.jpg", GOOD)
}

/// The bad entry is refused for this reason and the good one beside it is read.
fn assert_refused(what: &str, bad: RawEntry, reason: RejectReason) {
    let found = verdicts(&build(&[bad, good()]), SourceLimits::default());
    let mut reasons: Vec<_> = found.iter().map(|(_, verdict)| *verdict).collect();
    reasons.sort();
    assert_eq!(reasons, [None, Some(reason)], "{what}: {found:?}");
}

fn zeros(bytes: usize) -> Vec<u8> {
    vec![0; bytes]
}

#[test]
fn names_that_leave_the_archive() {
    for name in [
        "../x.jpg",
        "../../../../etc/passwd",
        "a/../../x.jpg",
        "a/../x.jpg",
        "/x.jpg",
        "//host/x.jpg",
        "C:\\x.jpg",
        "c:x.jpg",
        "C:/x.jpg",
        "\\x.jpg",
        "\\\\host\\x.jpg",
        "..\\x.jpg",
        "a\\..\\..\\x.jpg",
        "a/..\\x.jpg",
        "x\0.jpg",
        "",
    ] {
        assert_refused(name, RawEntry::stored(name, b"evil"), ArchiveLimit);
    }
}

#[test]
fn entries_that_are_no_files() {
    for (what, mode) in [
        ("link", 0o120_777),
        ("pipe", 0o010_644),
        ("socket", 0o140_644),
        ("device", 0o020_644),
        ("block device", 0o060_644),
    ] {
        let entry = RawEntry::stored("x.jpg", b"/etc/passwd").with(|e| e.attributes = mode << 16);
        assert_refused(what, entry.clone(), NotARegularFile);
        // Whatever system claims to have made it.
        assert_refused(what, entry.with(|e| e.made_by = 20), NotARegularFile);
    }
    let folder = RawEntry::stored("x.jpg", b"hidden").with(|e| e.attributes = 0o040_755 << 16);
    assert_refused("folder with bytes", folder, NotARegularFile);
    assert_refused(
        "folder name with bytes",
        RawEntry::stored("x/", b"hidden").with(|e| e.checksum = 1),
        Damaged,
    );
}

#[test]
fn entries_that_cannot_be_unpacked() {
    assert_refused(
        "encrypted",
        RawEntry::stored("x", b"secret").with(|e| e.flags = 1),
        ArchiveLimit,
    );
    for (what, method) in [
        ("deflate64", 9),
        ("bzip2", 12),
        ("lzma", 14),
        ("zstd", 93),
        ("encrypted by AES", 99),
        ("none", 777),
    ] {
        assert_refused(
            what,
            RawEntry::stored("x", b"?").with(|e| e.method = method),
            Unreadable,
        );
    }
    assert_refused(
        "checksum",
        RawEntry::deflated("x", b"abc").with(|e| e.checksum ^= 1),
        Damaged,
    );
    assert_refused(
        "checksum, stored",
        RawEntry::stored("x", b"abc").with(|e| e.checksum ^= 1),
        Damaged,
    );
    let noise = |e: &mut RawEntry| e.packed = vec![0xff; e.packed.len()];
    assert_refused(
        "not deflated at all",
        RawEntry::deflated("x", &zeros(5_000)).with(noise),
        Damaged,
    );
    let cut = |e: &mut RawEntry| {
        e.packed.truncate(4);
        e.packed_bytes = 4;
    };
    assert_refused(
        "cut off",
        RawEntry::deflated("x", &zeros(5_000)).with(cut),
        Damaged,
    );
    assert_refused(
        "no packed bytes",
        RawEntry::deflated("x", b"abc").with(|e| {
            e.packed.clear();
            e.packed_bytes = 0;
        }),
        Damaged,
    );
}

#[test]
fn entries_that_lie_about_their_size() {
    let real = zeros(5_000);
    for (what, bytes) in [
        ("less", 100),
        ("nothing", 0),
        ("one less", 4_999),
        ("one more", 5_001),
    ] {
        assert_refused(
            what,
            RawEntry::deflated("x", &real).with(|e| e.bytes = bytes),
            ArchiveLimit,
        );
        assert_refused(
            what,
            RawEntry::stored("x", &real).with(|e| e.bytes = bytes),
            ArchiveLimit,
        );
    }
    assert_refused(
        "much more",
        RawEntry::deflated("x", &real).with(|e| e.bytes = 400_000_000),
        ArchiveLimit,
    );
    assert_refused(
        "packed more than there is",
        good().with(|e| e.packed_bytes += 1_000),
        Damaged,
    );
    assert_refused(
        "at the end of all numbers",
        good().with(|e| e.packed_bytes = u32::MAX - 1),
        Damaged,
    );
    assert_refused(
        "header somewhere else",
        good().with(|e| e.header_start = Some(3)),
        Damaged,
    );
    assert_refused(
        "header past the end",
        good().with(|e| e.header_start = Some(u32::MAX - 1)),
        Damaged,
    );
    // Unpacking stops where the declared size ends: what is broken far behind it is never met.
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(300_000)
    .collect();
    let broken_behind = |e: &mut RawEntry| {
        e.bytes = 1_000;
        let last = e.packed.len() - 1_000;
        e.packed[last..].fill(0xff);
    };
    let noisy = RawEntry::deflated("x", &noise);
    assert!(noisy.packed.len() > 150_000);
    assert_refused("stops early", noisy.with(broken_behind), ArchiveLimit);
    // A file that is honestly larger than a picture may be is refused like one in a folder.
    let archive = build(&[RawEntry::stored("x", &real)]);
    let source = try_open(&archive, SourceLimits::default()).unwrap();
    match source.fetch(&list(&source)[0].source_key, 4_999) {
        Err(FetchError::Rejected(rejection)) => assert_eq!(rejection.reason, TooManyBytes),
        other => panic!("{other:?}"),
    }
}

#[test]
fn bombs() {
    let ten_megabytes = RawEntry::deflated("bomb.jpg", &zeros(10 << 20));
    assert!(ten_megabytes.packed.len() < 20_000);
    assert_refused("declared", ten_megabytes.clone(), ArchiveLimit);
    assert_refused(
        "declared small",
        ten_megabytes.clone().with(|e| e.bytes = 1_000),
        ArchiveLimit,
    );
    // Padding behind the packed bytes brings the declared ratio below the limit; what counts is what was used.
    let padded = ten_megabytes.with(|e| {
        e.packed.resize(200_000, 0);
        e.packed_bytes = 200_000;
    });
    assert_refused("padded", padded, ArchiveLimit);
    // Below the free amount any ratio is fine: a white picture.
    let white = build(&[RawEntry::deflated("white.bmp", &zeros(1 << 20))]);
    assert_eq!(verdicts(&white, SourceLimits::default())[0].1, None);

    let one = || RawEntry::deflated("x", &zeros(1_000));
    let limits = SourceLimits {
        max_entry_bytes: 999,
        ..SourceLimits::default()
    };
    assert_eq!(verdicts(&build(&[one()]), limits)[0].1, Some(ArchiveLimit));
    let limits = SourceLimits {
        max_unpacked_bytes: 2_500,
        ..SourceLimits::default()
    };
    let total: Vec<_> = verdicts(&build(&[one(), one(), one()]), limits)
        .into_iter()
        .map(|(_, v)| v)
        .collect();
    assert_eq!(total, [None, None, Some(ArchiveLimit)]);
}

#[test]
fn entries_that_share_bytes() {
    // One body, many entries of the directory.
    let body = RawEntry::deflated("0.jpg", &zeros(100_000));
    let mut entries = vec![body.clone()];
    entries.extend((1..20).map(|n| {
        body.clone().with(|e| {
            e.name = format!("{n}.jpg").into_bytes();
            e.header_start = Some(0);
            e.is_in_directory_only = true;
        })
    }));
    entries.push(good());
    let found = verdicts(&build(&entries), SourceLimits::default());
    assert_eq!(found.len(), 21);
    for (name, verdict) in found {
        assert_eq!(
            verdict,
            (name != "good.jpg").then_some(ArchiveLimit),
            "{name}"
        );
    }

    // A whole entry inside of the bytes of another one.
    let inner = build(&[RawEntry::stored("inner.jpg", b"inside")]);
    let outer = RawEntry::stored("o.jpg", &inner);
    let header_bytes = 30 + 5;
    let inside = RawEntry::stored("inner.jpg", b"inside").with(|e| {
        e.header_start = Some(header_bytes);
        e.is_in_directory_only = true;
    });
    let found = verdicts(&build(&[outer, inside, good()]), SourceLimits::default());
    let refused: Vec<_> = found.iter().map(|(_, verdict)| *verdict).collect();
    assert_eq!(refused, [None, Some(ArchiveLimit), Some(ArchiveLimit)]);

    // Bytes that reach into the directory.
    let reaching = good().with(|e| e.packed_bytes += 60);
    let found = verdicts(
        &build(&[RawEntry::stored("a.jpg", GOOD), reaching]),
        SourceLimits::default(),
    );
    assert_eq!((found[0].1, found[1].1), (None, Some(Damaged)));
}

#[test]
fn too_many_entries() {
    let entries: Vec<_> = (0..11)
        .map(|n| RawEntry::stored(format!("{n}"), b""))
        .collect();
    let limits = SourceLimits {
        max_archive_entries: 10,
        ..SourceLimits::default()
    };
    let error = try_open(&build(&entries), limits.clone()).unwrap_err();
    assert!(
        matches!(error, SourceError::TooManyEntries { limit: 10 }),
        "{error:?}"
    );
    assert!(!error.is_retryable());
    assert_eq!(verdicts(&build(&entries[1..]), limits).len(), 10);
    let limits = SourceLimits {
        max_directory_bytes: 300,
        ..SourceLimits::default()
    };
    assert!(matches!(
        try_open(&build(&entries), limits),
        Err(SourceError::DirectoryTooLarge { limit: 300 })
    ));
    // A count that is not true: more than there are, and fewer.
    assert!(matches!(
        try_open(
            &build_with_count(&entries, Some(60_000)),
            SourceLimits::default()
        ),
        Err(SourceError::DamagedArchive(_))
    ));
    assert_eq!(
        verdicts(
            &build_with_count(&entries, Some(3)),
            SourceLimits::default()
        )
        .len(),
        3
    );
}

#[test]
fn files_that_are_no_archives() {
    let open = |bytes: &[u8]| try_open(bytes, SourceLimits::default()).unwrap_err();
    for bytes in [
        &b""[..],
        b"x",
        b"GIF89a and more",
        &zeros(100_000),
        &[b'P'; 70_000],
    ] {
        assert!(
            matches!(open(bytes), SourceError::NotAnArchive),
            "{:?}",
            open(bytes)
        );
    }
    let whole = build(&[good(), RawEntry::stored("b.jpg", GOOD)]);
    // Cut off anywhere: damaged, never half a source.
    for length in 2..whole.len() {
        let error = open(&whole[..length]);
        assert!(
            matches!(error, SourceError::DamagedArchive(_)),
            "{length}: {error:?}"
        );
        assert!(!error.to_string().contains('/'));
    }
    // Something before the archive moves every place in it.
    let moved = [&b"#!/bin/sh\n"[..], &whole].concat();
    assert!(matches!(open(&moved), SourceError::NotAnArchive));
}

#[test]
fn archives_that_are_not_files_below_a_root() {
    let place = Place::new();
    let archive = build(&[good()]);
    let outside = place.outside.join("a.zip");
    fs_err::write(&outside, &archive).unwrap();
    symlink(&outside, place.allowed.join("link.zip")).unwrap();
    for (path, expected) in [
        (outside, "OutsideRoots"),
        (place.allowed.join("link.zip"), "ThroughLink"),
        (place.allowed.clone(), "NotAFile"),
        (place.allowed.join("none.zip"), "NotFound"),
    ] {
        let error = open_zip(&path, &place.roots(), SourceLimits::default()).unwrap_err();
        assert_eq!(format!("{error:?}"), expected);
    }
}

#[test]
fn damage_anywhere_gives_a_verdict_and_never_other_bytes() {
    let whole = build(&[
        good(),
        RawEntry::stored("b.jpg", GOOD),
        RawEntry::deflated("c.jpg", &zeros(3_000)),
    ]);
    let place = Place::new();
    let contents = [GOOD.to_vec(), zeros(3_000)];
    let (mut opened, mut refused) = (0, 0);
    for position in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[position] ^= change;
            let path = place.write("a.zip", &damaged);
            let Ok(source) = open_zip(&path, &place.roots(), SourceLimits::default()) else {
                refused += 1;
                continue;
            };
            opened += 1;
            let items = list(&source);
            assert_fit_to_store(&items);
            for item in &items {
                match source.fetch(&item.source_key, MANY_BYTES) {
                    Ok(fetched) => {
                        assert!(contents.contains(&fetched.bytes.to_vec()), "{position}")
                    }
                    Err(FetchError::Rejected(_)) => {}
                    Err(FetchError::Io(error)) => panic!("{position}: {error}"),
                }
            }
        }
    }
    assert!(opened > 300 && refused > 30, "{opened} {refused}");
}

#[test]
fn an_archive_that_shrinks_while_it_is_open_is_damaged() {
    let place = Place::new();
    let path = place.write(
        "a.zip",
        &build(&[RawEntry::stored("a.jpg", &zeros(10_000)), good()]),
    );
    let source = open_zip(&path, &place.roots(), SourceLimits::default()).unwrap();
    let items = list(&source);
    fs_err::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(5_000)
        .unwrap();
    assert_eq!(items.len(), 2);
    for item in &items {
        assert_eq!(refusal(&source, &item.source_key), Damaged);
    }
}
