//! Folders, kind and unkind.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lamina_types::RejectReason;
use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::sources::{FolderSource, SourceError, SourceLimits, open_folder};

fn open(place: &Place) -> FolderSource {
    open_folder(&place.allowed, &place.roots(), SourceLimits::default()).unwrap()
}

#[test]
fn files_come_in_the_order_of_their_path_bytes_with_their_bytes() {
    let place = Place::new();
    for path in [
        "a/x.jpg",
        "a.jpg",
        "a-b.jpg",
        "a0.jpg",
        "a/b/deep.jpg",
        "B.jpg",
    ] {
        place.write(path, path.as_bytes());
    }
    let source = open(&place);
    let items = list(&source);
    assert_eq!(
        uris(&items),
        [
            "B.jpg",
            "a-b.jpg",
            "a.jpg",
            "a/b/deep.jpg",
            "a/x.jpg",
            "a0.jpg"
        ]
    );
    assert_eq!(items, list(&source));
    for item in &items {
        let fetched = source.fetch(&item.source_key, MANY_BYTES).unwrap();
        assert_eq!(&fetched.bytes[..], item.original_uri.as_bytes());
        assert_eq!(fetched.path, Some(place.allowed.join(&item.original_uri)));
        assert_eq!(reason(item), None);
    }
    assert_eq!(items[3].file_name, "deep.jpg");
    // A key alone is enough for another process.
    assert_eq!(bytes(&open(&place), &items[4]), b"a/x.jpg");
}

#[test]
fn odd_names_survive_the_way_through_a_key() {
    let place = Place::new();
    let long = [b'n'; 251];
    let long = [&long[..], b".jpg"].concat();
    let names: [&[u8]; 10] = [
        b"new\nline.jpg",
        b"tab\tand\x01bell\x07.jpg",
        b"not utf8 \xff\xfe.jpg",
        b"100%.jpg",
        b"%41.jpg",
        "Grüße 猫 🦀.jpg".as_bytes(),
        "e\u{301}.jpg".as_bytes(),
        b" space in front and behind ",
        b"back\\slash.jpg",
        &long,
    ];
    for name in names {
        place.write(OsStr::from_bytes(name), name);
        place.write(Path::new("sub\n%").join(OsStr::from_bytes(name)), name);
    }
    let source = open(&place);
    let items = list(&source);
    assert_eq!(items.len(), 2 * names.len());
    assert_fit_to_store(&items);
    let mut read: Vec<_> = items.iter().map(|item| bytes(&source, item)).collect();
    read.sort();
    let mut written = [names, names].concat();
    written.sort();
    assert_eq!(read, written);
    assert_eq!(named(&items, "newline.jpg").file_name, "newline.jpg");
    assert_eq!(
        named(&items, "not utf8 \u{fffd}\u{fffd}.jpg").source_key,
        "not utf8 %FF%FE.jpg"
    );
}

#[test]
fn what_is_no_regular_file_is_named_and_neither_followed_nor_opened() {
    let place = Place::new();
    place.write("good.jpg", b"good");
    let at = |name: &str| place.allowed.join(name);
    symlink(place.outside.join("secret.jpg"), at("link to file")).unwrap();
    symlink("good.jpg", at("link to good")).unwrap();
    symlink(&place.outside, at("link to folder")).unwrap();
    symlink(".", at("loop")).unwrap();
    symlink("nowhere", at("broken link")).unwrap();
    rustix::fs::mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    let null = rustix::fs::makedev(1, 3);
    let device = rustix::fs::mknodat(
        CWD,
        at("device"),
        FileType::CharacterDevice,
        Mode::RWXU,
        null,
    );
    if device.is_err() {
        println!("skipped: making a device needs more rights");
    }

    let source = open(&place);
    let items = list(&source);
    let odd: Vec<_> = items
        .iter()
        .filter(|item| item.original_uri != "good.jpg")
        .collect();
    assert_eq!(odd.len(), 7 + usize::from(device.is_ok()));
    for item in odd {
        assert_eq!(
            reason(item),
            Some(RejectReason::NotARegularFile),
            "{}",
            item.original_uri
        );
        // Asking for it anyway, as with a key from before it was replaced: no other verdict, and no waiting.
        assert_eq!(
            refusal(&source, &item.source_key),
            RejectReason::NotARegularFile
        );
    }
    assert_eq!(bytes(&source, named(&items, "good.jpg")), b"good");
}

#[test]
fn a_file_that_becomes_a_link_after_listing_is_refused() {
    let place = Place::new();
    place.write("a/secret.jpg", b"fine");
    place.write("b/c/secret.jpg", b"fine");
    let source = open(&place);
    let items = list(&source);
    fs_err::remove_file(place.allowed.join("a/secret.jpg")).unwrap();
    symlink(
        place.outside.join("secret.jpg"),
        place.allowed.join("a/secret.jpg"),
    )
    .unwrap();
    fs_err::remove_dir_all(place.allowed.join("b/c")).unwrap();
    symlink(&place.outside, place.allowed.join("b/c")).unwrap();
    for item in &items {
        assert_eq!(
            refusal(&source, &item.source_key),
            RejectReason::NotARegularFile
        );
    }
    fs_err::remove_file(place.allowed.join("a/secret.jpg")).unwrap();
    assert_eq!(refusal(&source, "a/secret.jpg"), RejectReason::Unreadable);
}

#[test]
fn a_folder_that_flips_to_a_link_while_files_are_read_gives_nothing_away() {
    let place = Place::new();
    place.write("d/secret.jpg", b"fine");
    symlink(&place.outside, place.allowed.join("other")).unwrap();
    let source = open(&place);
    let stop = AtomicBool::new(false);
    let (mut fine, mut refused, mut leaked) = (0, 0, Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (place.allowed.join("d"), place.allowed.join("other"));
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &a, CWD, &b, rustix::fs::RenameFlags::EXCHANGE)
                    .unwrap();
            }
        });
        // Until both states were met often, which takes a few milliseconds.
        let deadline = Instant::now() + Duration::from_secs(20);
        while (fine < 500 || refused < 500) && Instant::now() < deadline {
            match source.fetch("d/secret.jpg", MANY_BYTES) {
                Ok(fetched) if &fetched.bytes[..] == b"fine" => fine += 1,
                Ok(fetched) => leaked.push(fetched.bytes),
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(leaked.is_empty(), "{leaked:?}");
    assert!(fine >= 500 && refused >= 500, "{fine} {refused}");
}

#[test]
fn keys_that_no_listing_made_reach_nothing_outside() {
    let place = Place::new();
    place.write("a.jpg", b"fine");
    let source = open(&place);
    let secret = place.outside.join("secret.jpg");
    let absolute = secret.to_str().unwrap();
    for key in [
        "../outside/secret.jpg",
        "./../outside/secret.jpg",
        "%2e%2e/outside/secret.jpg",
        "%2E%2E%2Foutside%2Fsecret.jpg",
        "a.jpg/../../outside/secret.jpg",
        absolute,
        &format!("/{absolute}"),
        "",
        ".",
        "..",
        "/",
        "a.jpg/",
        "./a.jpg",
        "a.jpg%00",
        "%",
    ] {
        let reason = refusal(&source, key);
        assert!(
            matches!(
                reason,
                RejectReason::Unreadable | RejectReason::NotARegularFile
            ),
            "{key}: {reason}"
        );
    }
}

#[test]
fn what_systems_leave_behind_is_passed_over() {
    let place = Place::new();
    for path in [
        ".DS_Store",
        "._a.jpg",
        ".hidden/a.jpg",
        "Thumbs.db",
        "sub/desktop.ini",
        "__MACOSX/a.jpg",
    ] {
        place.write(path, b"x");
    }
    place.write("sub/annotations.json", b"x");
    place.write("notes.txt", b"x");
    assert_eq!(
        uris(&list(&open(&place))),
        ["notes.txt", "sub/annotations.json"]
    );
}

#[test]
fn sizes_are_those_of_the_opened_file() {
    let place = Place::new();
    let sparse = place.write("sparse.jpg", b"");
    fs_err::OpenOptions::new()
        .write(true)
        .open(&sparse)
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    place.write("empty.jpg", b"");
    place.write("full.jpg", &[7; 1_000]);
    let source = open(&place);
    let items = list(&source);
    assert!(items.iter().all(|item| item.rejection.is_none()));
    assert_eq!(refusal(&source, "sparse.jpg"), RejectReason::TooManyBytes);
    assert_eq!(bytes(&source, named(&items, "empty.jpg")), b"");
    assert_eq!(source.fetch("full.jpg", 1_000).unwrap().bytes.len(), 1_000);
    match source.fetch("full.jpg", 999) {
        Err(FetchError::Rejected(rejection)) => {
            assert_eq!(rejection.reason, RejectReason::TooManyBytes)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_may_not_be_read_is_rejected_alone() {
    let place = Place::new();
    if fs_err::metadata(&place.allowed).unwrap().uid() == 0 {
        println!("skipped: the superuser may read everything");
        return;
    }
    place.write("good.jpg", b"good");
    let file = place.write("locked.jpg", b"x");
    place.write("locked/a.jpg", b"x");
    let folder = place.allowed.join("locked");
    for path in [&file, &folder] {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let source = open(&place);
    let items = list(&source);
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(uris(&items), ["good.jpg", "locked.jpg", "locked"]);
    assert_eq!(
        reason(named(&items, "locked")),
        Some(RejectReason::Unreadable)
    );
    assert_eq!(refusal(&source, "locked.jpg"), RejectReason::Unreadable);
}

#[test]
fn paths_beyond_the_limits_are_rejected_items() {
    let place = Place::new();
    let deep: PathBuf = std::iter::repeat_n("d", 12).collect();
    place.write(deep.join("deep.jpg"), b"x");
    let part = "l".repeat(200);
    let long: PathBuf = std::iter::repeat_n(part.as_str(), 11).collect();
    place.write(long.join("one.jpg"), b"x");
    place.write(long.join("two.jpg"), b"x");
    let limits = SourceLimits {
        max_depth: 11,
        ..SourceLimits::default()
    };
    let source = open_folder(&place.allowed, &place.roots(), limits).unwrap();
    let items = list(&source);
    assert_fit_to_store(&items);
    assert_eq!(items.len(), 3);
    assert_eq!(items[0].original_uri, deep.to_str().unwrap());
    assert!(
        items
            .iter()
            .all(|item| reason(item) == Some(RejectReason::Unreadable)),
        "{items:?}"
    );
    assert_eq!(
        refusal(&source, &items[1].source_key),
        RejectReason::Unreadable
    );
}

#[test]
fn listing_ends_at_the_limit_and_when_told_to() {
    let place = Place::new();
    for number in 0..5 {
        place.write(format!("{number}.jpg"), b"x");
        place.write(format!("{number}/a.jpg"), b"x");
    }
    let limited = |max_files| {
        let limits = SourceLimits {
            max_files,
            ..SourceLimits::default()
        };
        open_folder(&place.allowed, &place.roots(), limits).unwrap()
    };
    assert_eq!(list(&limited(10)).len(), 10);
    for max_files in [9, 4] {
        let error = limited(max_files).list(&|| false).unwrap_err();
        assert!(
            matches!(error, SourceError::TooManyFiles { limit } if limit == max_files),
            "{error:?}"
        );
    }
    assert!(matches!(
        limited(10).list(&|| true),
        Err(SourceError::Stopped)
    ));
    let mut seen = 0;
    let visited = limited(10).visit(&|| false, &mut |_| {
        seen += 1;
        if seen == 3 {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    });
    assert!(matches!(visited, Err(SourceError::Stopped)));
    assert_eq!(seen, 3);
}

#[test]
fn only_folders_below_a_root_are_opened() {
    let place = Place::new();
    place.write("sub/a.jpg", b"fine");
    place.write("file.jpg", b"x");
    symlink(&place.outside, place.allowed.join("link")).unwrap();
    symlink(&place.allowed, place.outside.join("alias")).unwrap();
    let sibling = PathBuf::from(format!("{}-evil", place.allowed.display()));
    fs_err::create_dir(&sibling).unwrap();
    let open = |path: &Path, roots: &[PathBuf]| open_folder(path, roots, SourceLimits::default());
    let roots = place.roots();

    for (path, found) in [
        (place.allowed.clone(), 3),
        (place.allowed.join("sub"), 1),
        (place.allowed.join("./sub/../sub/"), 1),
        (place.outside.join("../allowed/sub"), 1),
    ] {
        assert_eq!(
            list(&open(&path, &roots).unwrap()).len(),
            found,
            "{}",
            path.display()
        );
    }
    // A root that is itself reached by a link is the operator's wish, and is known by both of its names.
    let alias = place.outside.join("alias");
    assert_eq!(
        list(&open(&alias.join("sub"), std::slice::from_ref(&alias)).unwrap()).len(),
        1
    );
    assert_eq!(
        list(&open(&place.allowed.join("sub"), &[alias]).unwrap()).len(),
        1
    );

    for (path, expected) in [
        (place.outside.clone(), "OutsideRoots"),
        (place.allowed.join("../outside"), "OutsideRoots"),
        (place.allowed.join("sub/../../outside"), "OutsideRoots"),
        (sibling, "OutsideRoots"),
        (PathBuf::from("/"), "OutsideRoots"),
        (PathBuf::from("/etc"), "OutsideRoots"),
        (PathBuf::from("allowed"), "OutsideRoots"),
        (PathBuf::new(), "OutsideRoots"),
        (PathBuf::from(OsStr::from_bytes(b"/a\0b")), "OutsideRoots"),
        (place.allowed.join("link"), "ThroughLink"),
        (place.allowed.join("link/x"), "ThroughLink"),
        (place.allowed.join("file.jpg"), "NotAFolder"),
        (place.allowed.join("file.jpg/x"), "ThroughLink"),
        (place.allowed.join("missing"), "NotFound"),
        (place.allowed.join("n".repeat(300)), "NotFound"),
    ] {
        let error = open(&path, &roots).unwrap_err();
        assert_eq!(format!("{error:?}"), expected, "{}", path.display());
        assert!(!error.is_retryable());
    }
    assert!(matches!(
        open(&place.allowed, &[]),
        Err(SourceError::OutsideRoots)
    ));
    let missing_root = [place.outside.join("none")];
    assert!(matches!(
        open(&place.allowed, &missing_root),
        Err(SourceError::OutsideRoots)
    ));
}
