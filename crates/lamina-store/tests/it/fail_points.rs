//! The list of fail points is the truth: tests elsewhere end the process at each one of it.

use std::{collections::BTreeSet, path::Path};

use lamina_store::FAIL_POINTS;

fn named_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named_in(&path, found);
            continue;
        }
        let text = fs_err::read_to_string(&path).unwrap();
        for rest in text.split("fail_point!(").skip(1) {
            found.insert(rest.split('"').nth(1).unwrap().to_owned());
        }
    }
}

#[test]
fn every_fail_point_is_listed_and_every_listed_one_exists() {
    let mut found = BTreeSet::new();
    named_in(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    let listed: BTreeSet<String> = FAIL_POINTS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found, listed);
}
