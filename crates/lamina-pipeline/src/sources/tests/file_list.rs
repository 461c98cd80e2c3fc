//! Lists of files, which anybody may have written.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use lamina_types::RejectReason;
use rustix::fs::{CWD, FileType, Mode};

use super::*;
use crate::sources::{FileListSource, SourceError, SourceLimits, open_file_list};

fn open(place: &Place, name: &str, text: impl AsRef<[u8]>) -> FileListSource {
    let list = place.write(name, text.as_ref());
    open_file_list(&list, &place.roots(), SourceLimits::default()).unwrap()
}

fn open_error(path: &Path, roots: &[PathBuf]) -> SourceError {
    open_file_list(path, roots, SourceLimits::default()).unwrap_err()
}

#[test]
fn a_text_list_names_a_file_a_line() {
    let place = Place::new();
    for path in ["a.jpg", "sub/b.jpg", " odd name ", "not utf8 \u{fffd}"] {
        place.write(path, path.as_bytes());
    }
    let absolute = place.allowed.join("sub/b.jpg");
    let text = format!(
        "\u{feff}a.jpg\r\n\n   \n{}\nsub/../a.jpg\n./sub//b.jpg\n odd name \nmissing.jpg\nnot utf8 \u{fffd}",
        absolute.display()
    );
    let source = open(&place, "list.txt", text);
    let items = list(&source);
    // In the order of the list; what is named twice is there once.
    let expected = [
        "a.jpg",
        absolute.to_str().unwrap(),
        " odd name ",
        "missing.jpg",
        "not utf8 \u{fffd}",
    ];
    assert_eq!(uris(&items), expected);
    assert_fit_to_store(&items);
    assert_eq!(items, list(&source));
    assert_eq!(items[1].file_name, "b.jpg");
    let fetched = source.fetch(&items[1].source_key, MANY_BYTES).unwrap();
    assert_eq!(
        (&fetched.bytes[..], fetched.path),
        (&b"sub/b.jpg"[..], Some(absolute))
    );
    assert_eq!(bytes(&source, &items[2]), b" odd name ");
    assert_eq!(
        refusal(&source, &items[3].source_key),
        RejectReason::Unreadable
    );
}

#[test]
fn a_table_names_files_in_the_column_that_says_so() {
    let place = Place::new();
    for path in ["a.jpg", "with, comma.jpg", "quote\".jpg", "line\nbreak.jpg"] {
        place.write(path, path.as_bytes());
    }
    for (name, text) in [
        (
            "by heading.csv",
            "label,FileName\ncat,a.jpg\ncat,\"with, comma.jpg\"\ndog,\"quote\"\".jpg\"\n,\"line\nbreak.jpg\"\n",
        ),
        (
            "first.csv",
            "a.jpg,cat\n\"with, comma.jpg\",x,y\n\"quote\"\".jpg\"\n\"line\nbreak.jpg\"\n",
        ),
        (
            "repeated.csv",
            "path,label\r\na.jpg,cat\r\na.jpg,dog\r\n\"with, comma.jpg\"\r\n\"quote\"\".jpg\"\r\n,\r\n\"line\nbreak.jpg\"\r\n",
        ),
        (
            "mark.CSV",
            "\u{feff}file\na.jpg\n\"with, comma.jpg\"\n\"quote\"\".jpg\"\n\"line\nbreak.jpg\"\n",
        ),
    ] {
        let source = open(&place, name, text);
        let items = list(&source);
        assert_fit_to_store(&items);
        let read: Vec<_> = items.iter().map(|item| bytes(&source, item)).collect();
        assert_eq!(
            read,
            [
                &b"a.jpg"[..],
                b"with, comma.jpg",
                b"quote\".jpg",
                b"line\nbreak.jpg"
            ],
            "{name}"
        );
        assert_eq!(items[3].file_name, "linebreak.jpg");
    }
    assert_eq!(
        uris(&list(&open(&place, "short.csv", "label,path\ncat\n"))),
        [] as [&str; 0]
    );
}

#[test]
fn no_form_of_a_path_reaches_what_is_outside() {
    let place = Place::new();
    place.write("sub/a.jpg", b"fine");
    symlink(&place.outside, place.allowed.join("link")).unwrap();
    symlink(
        place.outside.join("secret.jpg"),
        place.allowed.join("link.jpg"),
    )
    .unwrap();
    symlink("../..", place.allowed.join("sub/up")).unwrap();
    rustix::fs::mknodat(
        CWD,
        place.allowed.join("pipe"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    let sibling = PathBuf::from(format!("{}-evil", place.allowed.display()));
    fs_err::create_dir(&sibling).unwrap();
    fs_err::write(sibling.join("secret.jpg"), SECRET).unwrap();

    let (inside, outside) = (place.allowed.display(), place.outside.display());
    let forms = [
        format!("{outside}/secret.jpg"),
        format!("/{outside}/secret.jpg"),
        format!("//{outside}//secret.jpg"),
        format!("{outside}/./secret.jpg"),
        format!("{outside}/x/../secret.jpg"),
        format!("{inside}/../outside/secret.jpg"),
        format!("{inside}/sub/../../outside/secret.jpg"),
        format!("{inside}-evil/secret.jpg"),
        format!("{inside}/link/secret.jpg"),
        format!("{inside}/link.jpg"),
        format!("{inside}/sub/up/outside/secret.jpg"),
        format!("/proc/self/root{outside}/secret.jpg"),
        format!("/proc/self/cwd{outside}/secret.jpg"),
        format!("/proc/1/root{outside}/secret.jpg"),
        format!("/dev/fd/0/../..{outside}/secret.jpg"),
        format!("file://{outside}/secret.jpg"),
        format!("file:{outside}/secret.jpg"),
        format!("\\\\?{outside}/secret.jpg"),
        format!("{outside}/secret.jpg\0.jpg"),
        format!("{inside}/sub/a.jpg\0"),
        format!("\"{outside}/secret.jpg\""),
        format!("~{outside}/secret.jpg"),
        format!("${{HOME}}{outside}/secret.jpg"),
        format!("%2F{outside}/secret.jpg"),
        format!("|cat {outside}/secret.jpg"),
        "../outside/secret.jpg".to_owned(),
        "./../outside/secret.jpg".to_owned(),
        "sub/../../outside/secret.jpg".to_owned(),
        "sub/../sub/../../outside/secret.jpg".to_owned(),
        "%2e%2e/outside/secret.jpg".to_owned(),
        "..%2foutside%2fsecret.jpg".to_owned(),
        "..\\outside\\secret.jpg".to_owned(),
        "..;/outside/secret.jpg".to_owned(),
        "....//outside/secret.jpg".to_owned(),
        "\u{ff0e}\u{ff0e}/outside/secret.jpg".to_owned(),
        "link/secret.jpg".to_owned(),
        "link.jpg".to_owned(),
        "link/../outside/secret.jpg".to_owned(),
        "sub/up/outside/secret.jpg".to_owned(),
        "/etc/passwd".to_owned(),
        "../../../../../../../../etc/passwd".to_owned(),
        "/dev/zero".to_owned(),
        "http://127.0.0.1/secret.jpg".to_owned(),
        "s3://bucket/secret.jpg".to_owned(),
        "pipe".to_owned(),
        "sub".to_owned(),
        ".".to_owned(),
        "/".to_owned(),
    ];
    let mut rejected_when_listed = 0;
    for form in &forms {
        let source = open(&place, "list.txt", form);
        let items = list(&source);
        assert_fit_to_store(&items);
        assert_eq!(items.len(), 1, "{form}");
        rejected_when_listed += usize::from(items[0].rejection.is_some());
        match source.fetch(&items[0].source_key, MANY_BYTES) {
            // No path of the server in what people read.
            Err(FetchError::Rejected(rejection)) => {
                assert!(!rejection.detail.contains('/'), "{rejection}")
            }
            other => panic!("{form}: {other:?}"),
        }
    }
    assert!(rejected_when_listed >= 20, "{rejected_when_listed}");
    let source = open(&place, "list.txt", "/etc/passwd\nlink.jpg\npipe\nsub");
    let items = list(&source);
    assert_eq!(reason(&items[0]), Some(RejectReason::Unreadable));
    for item in &items[1..] {
        assert_eq!(
            refusal(&source, &item.source_key),
            RejectReason::NotARegularFile
        );
    }
}

#[test]
fn a_list_that_cannot_be_read_is_no_source() {
    let place = Place::new();
    let outside = place.outside.join("list.txt");
    fs_err::write(&outside, b"a.jpg").unwrap();
    symlink(&outside, place.allowed.join("link.txt")).unwrap();
    rustix::fs::mknodat(
        CWD,
        place.allowed.join("pipe.txt"),
        FileType::Fifo,
        Mode::RWXU,
        0,
    )
    .unwrap();
    fs_err::create_dir(place.allowed.join("folder.txt")).unwrap();
    for (path, expected) in [
        (outside, "OutsideRoots"),
        (place.allowed.join("../outside/list.txt"), "OutsideRoots"),
        (PathBuf::from("/etc/hosts.txt"), "OutsideRoots"),
        (place.allowed.join("link.txt"), "ThroughLink"),
        (place.allowed.join("pipe.txt"), "NotAFile"),
        (place.allowed.join("folder.txt"), "NotAFile"),
        (place.allowed.join("none.csv"), "NotFound"),
    ] {
        assert_eq!(
            format!("{:?}", open_error(&path, &place.roots())),
            expected,
            "{}",
            path.display()
        );
    }
    for name in ["list.json", "list.xlsx", "list"] {
        let error = open_error(&place.write(name, b"x"), &place.roots());
        assert!(
            matches!(error, SourceError::UnsupportedList { .. }),
            "{error}"
        );
    }
    let text = open_error(&place.write("l.xlsx", b"PAR1"), &place.roots()).to_string();
    assert_eq!(
        text,
        "lists of files are read as .txt (one path a line), .csv or .parquet, not as .xlsx"
    );
}

#[test]
fn limits_hold_for_lists() {
    let place = Place::new();
    let path = place.write("list.txt", "a\nb\nc\n".repeat(10).as_bytes());
    let open = |limits| open_file_list(&path, &place.roots(), limits);
    let short = SourceLimits {
        max_list_bytes: 59,
        ..SourceLimits::default()
    };
    assert!(matches!(
        open(short),
        Err(SourceError::ListTooLong { limit: 59 })
    ));
    let few = SourceLimits {
        max_files: 2,
        ..SourceLimits::default()
    };
    assert!(matches!(
        open(few).unwrap().list(&|| false),
        Err(SourceError::TooManyFiles { limit: 2 })
    ));
    let fine = open(SourceLimits {
        max_files: 3,
        max_list_bytes: 60,
        ..SourceLimits::default()
    })
    .unwrap();
    assert_eq!(list(&fine).len(), 3);
    assert!(matches!(fine.list(&|| true), Err(SourceError::Stopped)));
}

#[test]
fn a_list_of_noise_is_a_list_of_missing_files() {
    let place = Place::new();
    let mut state = 7u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(50_000)
    .collect();
    for name in ["noise.txt", "noise.csv"] {
        let source = open(&place, name, &noise);
        let items = list(&source);
        assert!(!items.is_empty());
        assert_fit_to_store(&items);
        for item in &items {
            assert!(source.fetch(&item.source_key, MANY_BYTES).is_err());
        }
    }
}

/// A parquet file of one column of numbers and one of texts.
fn parquet_of(heading: &str, names: &[&str]) -> Vec<u8> {
    use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;

    let schema =
        format!("message list {{ required int32 number; optional binary {heading} (UTF8); }}");
    let schema = parquet::schema::parser::parse_message_type(&schema).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema.into(), properties.into()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let numbers: Vec<i32> = (0..names.len() as i32).collect();
    column
        .typed::<Int32Type>()
        .write_batch(&numbers, None, None)
        .unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let present: Vec<ByteArray> = names
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| ByteArray::from(*name))
        .collect();
    let levels: Vec<i16> = names
        .iter()
        .map(|name| i16::from(!name.is_empty()))
        .collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&present, Some(&levels), None)
        .unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn a_parquet_list_is_read_by_its_column_and_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs_err::write(root.join("a.jpg"), b"one").unwrap();
    let list = root.join("list.parquet");
    for heading in ["filename", "whatever"] {
        fs_err::write(
            &list,
            parquet_of(heading, &["a.jpg", "", "b/missing.jpg", "a.jpg"]),
        )
        .unwrap();
        let source =
            open_file_list(&list, std::slice::from_ref(&root), SourceLimits::default()).unwrap();
        let items = MediaSource::list(&source, &|| false).unwrap();
        let names: Vec<&str> = items
            .iter()
            .map(|item| item.original_uri.as_str())
            .collect();
        assert_eq!(names, ["a.jpg", "b/missing.jpg"]);
        let fetched = MediaSource::fetch(&source, &items[0].source_key, 10).unwrap();
        assert_eq!(fetched.bytes.as_ref(), b"one");
    }
    let mut damaged = parquet_of("filename", &["a.jpg"; 100]);
    let half = damaged.len() / 2;
    damaged.truncate(half);
    fs_err::write(&list, &damaged).unwrap();
    let source = open_file_list(&list, &[root], SourceLimits::default()).unwrap();
    let refused = MediaSource::list(&source, &|| false).unwrap_err();
    assert!(!refused.is_retryable(), "{refused}");
}
