//! The troubles of a pull, with every entry of the catalog: pinned ones and those that are recorded on first use.

use std::collections::BTreeMap;

use lamina_hub::{Catalog, CatalogEntry, HubError, pull};
use lamina_inference::ModelPackage;
use lamina_testkit::hub::{FakeHub, File, content_of, hash};

use crate::catalog::{hub_at, made_up, models, packages, repinned};

type Files = BTreeMap<String, Vec<u8>>;

/// Every entry with files that were made up for it, pinned to those where it is pinned at all.
fn entries() -> Vec<(CatalogEntry, Files)> {
    let catalog = Catalog::read(&[models()]).unwrap();
    assert_eq!(catalog.entries().len(), 21);
    let with_files = |entry: &CatalogEntry| {
        let files = made_up(entry);
        (repinned(entry, &files), files)
    };
    catalog.entries().iter().map(with_files).collect()
}

/// A hub that serves the files as `how` says, and tells their hashes as the public one does.
fn hub(
    files: &Files,
    how: impl for<'a> Fn(File<'a>, usize) -> File<'a> + Send + Sync + 'static,
) -> FakeHub {
    let files = files.clone();
    FakeHub::new(move |request, stream| {
        let bytes = content_of(&files, &request.path).unwrap();
        let file = File {
            headers: format!("x-linked-etag: \"{}\"\r\n", hash(bytes)),
            ..File::new(bytes)
        };
        how(file, request.earlier).send(request, stream);
    })
}

#[test]
fn every_entry_goes_on_where_the_connection_broke() {
    for (entry, files) in entries() {
        let hub = hub(&files, |file, earlier| File {
            cut_after: (earlier == 0).then_some(9),
            ..file
        });
        let target = tempfile::tempdir().unwrap();
        let pulled = pull(&entry, &hub_at(&hub.base), target.path(), &mut |_| {}).unwrap();
        ModelPackage::open(&pulled.dir).unwrap();
        for file in entry.files() {
            let stored = fs_err::read(pulled.dir.join(file.name())).unwrap();
            assert_eq!(stored, files[&file.from], "{} {}", entry.name(), file.from);
            let end = format!("/{}", file.from);
            let requests = hub.requests();
            let starts = requests
                .iter()
                .filter(|request| request.path.ends_with(&end))
                .map(lamina_testkit::hub::Request::range_start);
            let starts: Vec<usize> = starts.collect();
            assert_eq!(starts, [0, 9], "{} {}", entry.name(), file.from);
        }
    }
}

#[test]
fn every_entry_refuses_a_wrong_byte_in_each_of_its_files() {
    for (entry, files) in entries() {
        for wrong in entry.files() {
            let mut served = files.clone();
            served.get_mut(&wrong.from).unwrap()[7] ^= 1;
            let right = files.clone();
            let hub = FakeHub::new(move |request, stream| {
                // The hub itself still says the hash of what should have come.
                let said = hash(content_of(&right, &request.path).unwrap());
                File {
                    headers: format!("x-linked-etag: \"{said}\"\r\n"),
                    ..File::new(content_of(&served, &request.path).unwrap())
                }
                .send(request, stream);
            });
            let target = tempfile::tempdir().unwrap();
            let refused = pull(&entry, &hub_at(&hub.base), target.path(), &mut |_| {}).unwrap_err();
            let by = if wrong.sha256.is_some() {
                "catalog"
            } else {
                "hub"
            };
            assert!(
                matches!(&refused, HubError::Hash { by: found, .. } if found.contains(by)),
                "{} {}: {refused}",
                entry.name(),
                wrong.from
            );
            assert!(packages(target.path()).is_empty(), "{}", entry.name());
        }
    }
}

#[test]
fn every_entry_refuses_lies_about_the_length() {
    for (entry, files) in entries() {
        for lie in [-3, 3] {
            let hub = hub(&files, move |file, _| File { lie, ..file });
            let target = tempfile::tempdir().unwrap();
            let refused = pull(&entry, &hub_at(&hub.base), target.path(), &mut |_| {}).unwrap_err();
            assert!(
                matches!(
                    refused,
                    HubError::Size { .. }
                        | HubError::Hash { .. }
                        | HubError::BrokenOff { .. }
                        | HubError::Status { .. }
                ),
                "{} {lie}: {refused}",
                entry.name()
            );
            assert!(packages(target.path()).is_empty(), "{}", entry.name());
        }
    }
}
