//! A damaged index file: noticed, answered around, rebuilt.

use std::path::PathBuf;
use std::time::Duration;

use lamina_testkit::pictures;
use lamina_testkit::server::until;

use crate::support::{assert_clean, digest, import, installation, served};

fn generation_files(home: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![home.join("blobs/generation")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found
}

#[test]
fn a_damaged_generation_is_rebuilt_and_answers_stay_right_meanwhile() {
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 60, 0).unwrap();
    let (server, client) = served(&home);
    let id = import(&home, &folder, "damaged")["dataset_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let expected = digest(&client, &id);
    server.terminate(Duration::from_secs(10)).unwrap();

    let files = generation_files(home.data.path());
    assert_eq!(files.len(), 1);
    let mut bytes = std::fs::read(&files[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&files[0], &bytes).unwrap();
    let output = home.run("verify", &["--deep"]).unwrap();
    assert_eq!(output.status.code(), Some(1), "verify notices the damage");

    let (_server, client) = served(&home);
    assert_eq!(
        digest(&client, &id),
        expected,
        "the first answer after the damage is right"
    );
    until(Duration::from_secs(60), "the rebuilt file", || {
        Ok(home
            .run("verify", &["--deep"])?
            .status
            .success()
            .then_some(()))
    })
    .unwrap();
    assert_eq!(digest(&client, &id), expected);
    assert_clean(&home);
}
