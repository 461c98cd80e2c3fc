//! Enrichment by the programs that clients have: Python with `requests`, and `curl`. Where one of them is not installed,
//! its test says so and passes.

use std::process::{Command, Output};

use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, until};
use serde_json::Value;

use crate::support::{PATIENCE, get, import, installation, served};

/// The program. Only its three lines that name an installation are changed.
const PROGRAM: &str = include_str!("../../../../tests/contract/enrichment_page.py");

/// Runs a program from standard input with a clock that does not wait half a minute between two looks.
const RUN: &str = "import sys, time; nap = time.sleep; time.sleep = lambda seconds: nap(min(seconds, 0.1)); \
                   exec(compile(sys.stdin.read(), 'enrichment_page.py', 'exec'))";

/// Whether a program runs; says so if it does not.
pub fn has(program: &str, args: &[&str]) -> bool {
    let ran = Command::new(program).args(args).output();
    let is_there = ran.is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("skipped: {program} {args:?} does not run");
    }
    is_there
}

fn source(home: &Installation) -> String {
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 12, 0).unwrap();
    let summary = import(home, &folder, "drawn");
    summary["dataset_id"].as_str().unwrap().to_owned()
}

/// What a program said.
pub fn text(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The program with another value in one of its lines.
pub fn with(program: &str, name: &str, value: &str) -> String {
    let is_line = |line: &&str| line.starts_with(&format!("{name} = "));
    let line = program.lines().find(is_line).unwrap();
    program.replace(line, &format!("{name} = {value:?}"))
}

#[test]
fn the_program_of_the_enrichment_page_runs_as_it_is() {
    if !has("python3", &["-c", "import requests"]) {
        return;
    }
    let home = installation();
    let (server, client) = served(&home);
    let source = source(&home);
    let base = format!("http://{}/api/v1", server.address);
    let program = with(PROGRAM, "BASE_URL", &base);
    let program = with(&program, "TOKEN", &home.token().unwrap());
    let program = with(&program, "DATASET_ID", &source);
    let file = home.data.path().join("program.py");
    fs_err::write(&file, program).unwrap();
    let output = Command::new("python3")
        .args(["-c", RUN])
        .env("NO_PROXY", "127.0.0.1")
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("VL-Image-Captioner"), "{said}");
    let copy = said.split("enriched ").nth(1).unwrap();
    let copy = copy.split(' ').next().unwrap();
    let shown = get(&client, &format!("/dataset/{copy}"));
    assert_eq!(shown["status_new"], "READY");
    assert_eq!(shown["source_dataset_id"], source.as_str());
}

#[test]
fn curl_enriches_as_well() {
    if !has("curl", &["--version"]) {
        return;
    }
    let home = installation();
    let (server, client) = served(&home);
    let source = source(&home);
    let bearer = format!("Authorization: Bearer {}", home.token().unwrap());
    let output = Command::new("curl")
        .args([
            "-sS",
            "--fail-with-body",
            "--noproxy",
            "*",
            "-X",
            "POST",
            "-H",
            &bearer,
        ])
        .args(["-H", "Content-Type: application/json", "-d"])
        .arg(r#"{"enrichment_models":{"CAPTION_IMAGES":"vl_image_captioner_v00"}}"#)
        .arg(format!(
            "http://{}/api/v1/dataset/{source}/enrich_dataset",
            server.address
        ))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let copy = answer["dataset_id"].as_str().unwrap();
    until(PATIENCE, "the copy to be READY", || {
        let shown = get(&client, &format!("/dataset/{copy}"));
        Ok((shown["status_new"] == "READY").then_some(()))
    })
    .unwrap();
    let page = get(
        &client,
        &format!("/explore/{copy}?entity_type=IMAGES&threshold=0"),
    );
    let previews = page["clusters"][0]["previews"].as_array().unwrap();
    assert!(previews[0]["caption"].is_string(), "{page}");
}
