//! Programs as clients write them, in Python, against the real binary.

use std::path::Path;
use std::process::Command;

use lamina_testkit::pictures;

use crate::support::{import, installation, served};

fn has(module: &str) -> bool {
    let tried = Command::new("python3")
        .args(["-c", &format!("import {module}")])
        .output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn notebooks_and_scripts_find_what_they_rely_on() {
    if !has("requests") {
        eprintln!("skipped: python3 with requests is not installed");
        return;
    }
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 20, 0).unwrap();
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut table = "filename,col_x,row_y,width,height,label\n".to_owned();
    for name in &names[..6] {
        table.push_str(&format!("{name},10,10,40,30,car\n"));
    }
    std::fs::write(folder.join("object_annotations.csv"), table).unwrap();
    let (server, _) = served(&home);
    let summary = import(&home, &folder, "Twenty");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract/notebook.py");
    let output = Command::new("python3")
        .arg(program)
        .arg(format!("http://{}", server.address))
        .arg(home.token().unwrap())
        .arg(summary["dataset_id"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_operation_answers_in_the_shape_that_was_recorded() {
    if !has("urllib.request") {
        eprintln!("skipped: python3 is not installed");
        return;
    }
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract/record.py");
    let output = Command::new("python3")
        .arg("-B")
        .arg(program)
        .args([env!("CARGO_BIN_EXE_lamina"), "--check"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
