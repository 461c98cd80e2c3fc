//! Every entry of the catalog in the repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lamina_hub::{Catalog, CatalogEntry, Hub, HubError, HubOptions, pull};
use lamina_inference::{Family, ModelPackage};

use lamina_testkit::hub::{FakeHub, content_of, hash, onnx};

pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models")
}

/// Made-up content for each file of an entry.
pub fn made_up(entry: &CatalogEntry) -> BTreeMap<String, Vec<u8>> {
    let content = |from: &str| -> Vec<u8> {
        if Path::new(from).extension().is_some_and(|end| end == "onnx") {
            onnx(from, 5_000)
        } else {
            format!("made up: {from}\n").into_bytes()
        }
    };
    let files = entry.files().iter();
    files
        .map(|file| (file.from.clone(), content(&file.from)))
        .collect()
}

pub fn hub_at(base: &str) -> Hub {
    let options = HubOptions {
        mirror: Some(base.to_owned()),
        ..HubOptions::default()
    };
    Hub::new(options).unwrap()
}

/// The entry with the hashes and sizes of other content.
pub fn repinned(entry: &CatalogEntry, files: &BTreeMap<String, Vec<u8>>) -> CatalogEntry {
    let path = models().join(entry.name()).join("catalog.toml");
    let mut text = fs_err::read_to_string(&path).unwrap();
    for file in entry.files() {
        let bytes = &files[&file.from];
        if let Some(pinned) = file.sha256 {
            text = text.replacen(&pinned.to_hex(), &hash(bytes), 1);
        }
        if let Some(size) = file.bytes {
            text = text.replacen(
                &format!("bytes = {size}\n"),
                &format!("bytes = {}\n", bytes.len()),
                1,
            );
        }
    }
    CatalogEntry::parse(&text, &path).unwrap()
}

#[test]
fn the_catalog_holds_what_it_promises_and_nothing_of_a_forbidden_licence() {
    let catalog = Catalog::read(&[models()]).unwrap();
    let of = |family| {
        let entries = catalog.entries().iter();
        entries
            .filter(|entry| entry.outline().family == family)
            .count()
    };
    assert_eq!(catalog.entries().len(), 21);
    let counts = [
        (Family::DualEncoder, 5),
        (Family::ImageEncoder, 1),
        (Family::TextEncoder, 3),
        (Family::Detector, 8),
        (Family::Captioner, 3),
        (Family::Tagger, 1),
    ];
    for (family, count) in counts {
        assert_eq!(of(family), count, "{family:?}");
    }
    let pinned = catalog
        .entries()
        .iter()
        .filter(|entry| entry.is_pinned())
        .count();
    assert_eq!(pinned, 10, "both kinds are there to be tested");
    for entry in catalog.entries() {
        assert!(
            ["MIT", "Apache-2.0"].contains(&entry.licence()),
            "{}",
            entry.name()
        );
        assert!(entry.bytes().is_some(), "{} has no size", entry.name());
        assert!(models().join(entry.name()).join("catalog.toml").is_file());
    }
}

#[test]
fn every_entry_is_pulled_from_a_hub_and_from_nowhere_else() {
    let elsewhere = FakeHub::new(|_, stream| lamina_testkit::hub::status(stream, 502, ""));
    for entry in Catalog::read(&[models()]).unwrap().entries() {
        let files = made_up(entry);
        let hub = FakeHub::of(files.clone());
        let options = HubOptions {
            mirror: Some(hub.base.clone()),
            // Every connection but those to the loopback would go there.
            proxy: Some(elsewhere.base.clone()),
            no_proxy: Some("127.0.0.1".to_owned()),
            ..HubOptions::default()
        };
        let client = Hub::new(options).unwrap();
        let target = tempfile::tempdir().unwrap();
        let has_pins = entry.files().iter().any(|file| file.sha256.is_some());
        if has_pins {
            let refused = pull(entry, &client, target.path(), &mut |_| {}).unwrap_err();
            let is_right = matches!(refused, HubError::Hash { .. } | HubError::Size { .. });
            assert!(is_right, "{}: {refused}", entry.name());
            assert_eq!(packages(target.path()), Vec::<String>::new());
        }
        let entry = repinned(entry, &files);
        let pulled = pull(&entry, &client, target.path(), &mut |_| {}).unwrap();
        let package = ModelPackage::open(&pulled.dir).unwrap();
        assert_eq!(package.key().package, pulled.package);
        let version = pulled
            .package
            .strip_prefix(&format!("{}@1", entry.name()))
            .unwrap();
        assert_eq!(version.is_empty(), entry.is_pinned(), "{}", pulled.package);
        for file in entry.files() {
            let stored = fs_err::read(pulled.dir.join(file.name())).unwrap();
            assert_eq!(
                Some(stored.as_slice()),
                content_of(&files, &format!("/{}", file.from))
            );
            let said = pulled
                .files
                .iter()
                .find(|one| one.path == file.name())
                .unwrap();
            assert_eq!(said.was_pinned, file.sha256.is_some());
        }
        let place = entry.hub();
        let revision = place.revision.as_deref().unwrap_or("main");
        for request in hub.requests() {
            let middle = format!("/{}/resolve/{revision}/", place.repository);
            let release = format!("/{}/releases/download/{revision}/", place.repository);
            assert!(request.path.starts_with(&middle) || request.path.starts_with(&release));
        }
    }
    assert!(
        elsewhere.requests().is_empty(),
        "{:?}",
        elsewhere.requests()
    );
}

#[test]
fn without_a_mirror_the_proxy_of_the_environment_is_asked_for_the_public_hub() {
    // Also shows that the watcher of the test above would see a connection.
    let proxy = FakeHub::new(|_, stream| lamina_testkit::hub::status(stream, 502, ""));
    let options = HubOptions {
        proxy: Some(proxy.base.clone()),
        ..HubOptions::default()
    };
    let catalog = Catalog::read(&[models()]).unwrap();
    let target = tempfile::tempdir().unwrap();
    let hub = Hub::new(options).unwrap();
    let refused = pull(
        catalog.find("dinov2-small").unwrap(),
        &hub,
        target.path(),
        &mut |_| {},
    );
    assert!(
        matches!(refused, Err(HubError::Unreachable { .. })),
        "{refused:?}"
    );
    let seen = proxy.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "huggingface.co:443");
}

#[test]
fn a_first_use_is_recorded_and_later_pulls_must_bring_the_same() {
    let catalog = Catalog::read(&[models()]).unwrap();
    let entry = catalog.find("rf-detr-base-coco").unwrap();
    assert!(!entry.is_pinned());
    let first = FakeHub::of(BTreeMap::from([(
        "onnx/model.onnx".to_owned(),
        onnx("first", 900),
    )]));
    let target = tempfile::tempdir().unwrap();
    let pulled = pull(entry, &hub_at(&first.base), target.path(), &mut |_| {}).unwrap();
    assert!(!pulled.files[0].was_pinned && !pulled.was_there);
    let again = pull(entry, &hub_at(&first.base), target.path(), &mut |_| {}).unwrap();
    assert!(
        again.was_there && first.requests().len() == 1,
        "nothing to fetch"
    );

    // Damaged on disk, and the hub has other bytes by now.
    fs_err::write(pulled.dir.join("model.onnx"), b"rot").unwrap();
    let second = FakeHub::of(BTreeMap::from([(
        "onnx/model.onnx".to_owned(),
        onnx("other", 900),
    )]));
    let refused = pull(entry, &hub_at(&second.base), target.path(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&refused, HubError::Hash { by, .. } if by.contains("first pull")),
        "{refused}"
    );
    let mended = pull(entry, &hub_at(&first.base), target.path(), &mut |_| {}).unwrap();
    assert_eq!(
        (mended.package, mended.dir),
        (pulled.package, pulled.dir.clone())
    );
    ModelPackage::open(&pulled.dir).unwrap();
    assert_eq!(packages(target.path()).len(), 1);
}

/// Names of the folders that anybody would take for packages.
pub fn packages(models: &Path) -> Vec<String> {
    let Ok(folders) = fs_err::read_dir(models) else {
        return Vec::new();
    };
    let names = folders.map(|folder| folder.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}
