//! Searching by the programs that clients have: Python with `requests`, and `curl`. Where one of them is not installed, its test
//! says so and passes.

use std::path::Path;
use std::process::Command;

use lamina_testkit::pictures;
use serde_json::Value;

use crate::album::Album;
use crate::enrich_page::{has, text, with};
use crate::support::{installation, served};

/// The programs. Only their lines that name an installation are changed.
const BY_WORDS: &str = include_str!("../../../../tests/contract/semantic_search_page.py");
const BY_PICTURE: &str = include_str!("../../../../tests/contract/visual_search_page.py");

/// Runs a program; what it says.
fn run(folder: &Path, program: &str) -> String {
    let file = folder.join("program.py");
    fs_err::write(&file, program).unwrap();
    let output = Command::new("python3")
        .arg(&file)
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let said = text(&output);
    assert!(
        output.status.success() && said.trim_end().ends_with("done"),
        "{said}"
    );
    said
}

/// The lines below a heading: names of pictures with scores, best first.
fn found(said: &str, heading: &str) -> Vec<(f64, String)> {
    let lines = said
        .lines()
        .skip_while(|line| !line.starts_with(&format!("{heading}: ")));
    let below = lines.skip(1).take_while(|line| line.starts_with("  "));
    let members = below.filter_map(|line| line.strip_prefix("    "));
    let mut members: Vec<(f64, String)> = members
        .map(|line| {
            let mut words = line.split(' ');
            let score = words.next().unwrap().parse().unwrap();
            (score, words.next().unwrap().to_owned())
        })
        .collect();
    // Clusters are shown one after the other, each with its own members.
    members.sort_by(|a, b| a.0.total_cmp(&b.0));
    members
}

fn names(members: &[(f64, String)]) -> Vec<&str> {
    let mut names: Vec<&str> = members.iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_program_of_the_semantic_search_page_runs_as_it_is() {
    if !has("python3", &["-c", "import requests"]) {
        return;
    }
    let home = installation();
    let (server, client) = served(&home);
    let album = Album::new(&home, &client);
    let program = with(
        BY_WORDS,
        "BASE_URL",
        &format!("http://{}/api/v1", server.address),
    );
    let program = with(&program, "TOKEN", &home.token().unwrap());
    let program = with(&program, "DATASET_ID", &album.id);
    let said = run(home.data.path(), &program);
    // Captions come in turn, four of them; the first is of a boat on a river at night.
    let boats = ["00.jpg", "04.jpg", "08.jpg"];
    let by_caption = found(&said, "caption");
    assert_eq!(names(&by_caption[..boats.len()]), boats, "{said}");
    assert_eq!(names(&found(&said, "fts")), boats, "{said}");
    // What is seen counts as well there, where that is closer.
    let by_meaning = found(&said, "semantic");
    assert!(
        boats.iter().all(|boat| names(&by_meaning).contains(boat)),
        "{said}"
    );
    for (score, _) in by_caption.iter().chain(&by_meaning) {
        assert!(*score <= 0.6, "{said}");
    }
    let dogs = found(&said, "semantic and label");
    let dogs = names(&dogs);
    assert!(
        ["01.jpg", "05.jpg", "09.jpg"]
            .iter()
            .all(|dog| dogs.contains(dog)),
        "{said}"
    );
    assert!(
        dogs.iter().all(|name| name.as_bytes()[1] % 2 == 1),
        "the odd ones are labelled so: {said}"
    );
    assert!(
        said.contains("text_rank") && said.contains("cosine_distance"),
        "{said}"
    );
    assert!(said.contains("nothing: 0 clusters"), "{said}");
}

#[test]
fn the_program_of_the_visual_search_page_runs_as_it_is() {
    if !has("python3", &["-c", "import requests"]) {
        return;
    }
    let home = installation();
    let (server, client) = served(&home);
    let album = Album::new(&home, &client);
    let query = home.data.path().join("query");
    // Neither its name nor anything else says what it is.
    fs_err::write(&query, pictures::picture(4).unwrap()).unwrap();
    let program = with(
        BY_PICTURE,
        "BASE_URL",
        &format!("http://{}/api/v1", server.address),
    );
    let program = with(&program, "TOKEN", &home.token().unwrap());
    let program = with(&program, "DATASET_ID", &album.id);
    let program = with(&program, "QUERY_IMAGE", query.to_str().unwrap());
    let said = run(home.data.path(), &program);
    let whole = found(&said, "whole");
    assert_eq!(whole[0], (0.0, "04.jpg".to_owned()), "{said}");
    assert_eq!(
        found(&said, "again"),
        whole,
        "the picture itself is as good an anchor: {said}"
    );
    assert!(
        said.contains("part: ") && said.contains("objects: "),
        "{said}"
    );
}

/// What curl says to a line's arguments.
fn curl(bearer: &str, args: &[&str]) -> Value {
    let output = Command::new("curl")
        .args(["-sS", "--fail-with-body", "--noproxy", "*", "-H", bearer])
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_curl_line_of_both_pages_is_answered() {
    if !has("curl", &["--version"]) {
        return;
    }
    let home = installation();
    let (server, client) = served(&home);
    let album = Album::new(&home, &client);
    let bearer = format!("Authorization: Bearer {}", home.token().unwrap());
    let api = format!("http://{}/api/v1", server.address);
    let explore = format!("{api}/explore/{}", album.id);
    let first = |page: &Value| {
        let preview = &page["clusters"][0]["previews"][0];
        assert!(preview["relevance_score"].is_number(), "{page}");
        preview["file_name"].as_str().unwrap().to_owned()
    };
    let boats = ["00.jpg", "04.jpg", "08.jpg"];

    // By words: what there is to search by; the address written out with plus signs and with escapes; the old name of the parameter.
    let context = curl(
        &bearer,
        &[
            "-X",
            "GET",
            &format!("{api}/enrichment/{}/context", album.id),
        ],
    );
    assert!(context.is_object(), "{context}");
    for query in [
        "caption=a+red+boat+on+a+river&entity_type=IMAGES&threshold=0&textual_similarity_threshold=0.5",
        "caption=a%20red%20boat%20on%20a%20river&entity_type=IMAGES&threshold=0&textual_similarity_threshold=0.5&page_number=0",
        "image_caption=a+red+boat+on+a+river&entity_type=IMAGES&threshold=0",
        "vql=%5B%7B%22text%22%3A%7B%22op%22%3A%22fts%22%2C%22value%22%3A%22red%20boat%22%7D%7D%5D&entity_type=IMAGES&threshold=0",
        "vql=%5B%7B%22text%22%3A%7B%22op%22%3A%22semantic%22%2C%22value%22%3A%22a%20red%20boat%22%2C%22threshold%22%3A0.7%7D%7D%5D&entity_type=IMAGES&threshold=0",
    ] {
        let page = curl(
            &bearer,
            &[
                "-X",
                "GET",
                &format!("{explore}?{query}"),
                "-H",
                "Accept: application/json",
            ],
        );
        let best = first(&page);
        // What is seen counts in the last one as well, where that is closer.
        assert!(
            query.contains("semantic") || boats.contains(&best.as_str()),
            "{query}: {page}"
        );
    }
    // Filters written as they are, escaped by curl.
    let documents = [
        format!(
            r#"[{{"tags":{{"op":"is","value":["{}"]}}}},{{"text":{{"op":"fts","value":"boat"}}}}]"#,
            album.tag
        ),
        r#"[{"text":{"op":"fts","value":"boat"}},{"uniqueness":{"op":"uniqueness","value":0}}]"#
            .to_owned(),
    ];
    for document in &documents {
        let vql = format!("vql={document}");
        let page = curl(
            &bearer,
            &[
                "-G",
                &explore,
                "-d",
                "entity_type=IMAGES",
                "-d",
                "threshold=0",
                "--data-urlencode",
                &vql,
            ],
        );
        assert!(boats.contains(&first(&page).as_str()), "{document}: {page}");
    }
    for document in [
        r#"[{"text":{"op":"semantic","value":"a red boat"}},{"labels":{"op":"one_of","value":["even","car"]}}]"#,
        r#"[{"text":{"op":"fts","value":"boat"}},{"issues":{"op":"issue","value":"dark","mode":"out"}}]"#,
        r#"[{"issues":{"op":"issue","value":"blur","mode":"in","confidence_min":0.8,"confidence_max":1.0}}]"#,
        r#"[{"duplicates":{"op":"duplicates","value":0.95}}]"#,
    ] {
        let vql = format!("vql={document}");
        let page = curl(&bearer, &["-G", &explore, "--data-urlencode", &vql]);
        assert!(page["clusters"].is_array(), "{document}: {page}");
    }

    // By picture: sent, as a whole and in part, then explored around.
    let query = home.data.path().join("query.jpg");
    fs_err::write(&query, pictures::picture(6).unwrap()).unwrap();
    let file = format!("file=@{}", query.display());
    let send = format!("{api}/dataset/{}/search-image-similarity", album.id);
    let parts: [(&[&str], &str); 4] = [
        (&[], "?entity_type=IMAGES&threshold=0"),
        (&[], ""),
        (
            &[
                "-F",
                "bounding_box={\"x\":0,\"y\":0,\"width\":1,\"height\":1}",
            ],
            "?entity_type=IMAGES",
        ),
        (&[], "?entity_type=IMAGES&bounding_box=0,0,320,240"),
    ];
    for (fields, parameters) in parts {
        let address = format!("{send}{parameters}");
        let anchor = curl(
            &bearer,
            &[&["-X", "POST", &address, "-F", &file], fields].concat(),
        );
        assert_eq!(anchor["anchor_type"], "UPLOAD");
        let id = anchor["anchor_media_id"].as_str().unwrap();
        for kind in ["&anchor_type=UPLOAD", ""] {
            let address = format!(
                "{explore}?anchor_media_id={id}{kind}&entity_type=IMAGES&threshold=0&page_number=0"
            );
            let page = curl(&bearer, &["-X", "GET", &address]);
            assert_eq!(first(&page), "06.jpg", "{parameters}: {page}");
        }
    }
    let media = format!(
        "{explore}?anchor_media_id={}&anchor_type=MEDIA&entity_type=IMAGES&threshold=0",
        album.media
    );
    assert_eq!(first(&curl(&bearer, &["-X", "GET", &media])), "00.jpg");
    let objects = curl(
        &bearer,
        &[
            "-X",
            "POST",
            &format!("{send}?entity_type=OBJECTS"),
            "-F",
            &file,
        ],
    );
    let id = objects["anchor_media_id"].as_str().unwrap();
    let address = format!(
        "{explore}?anchor_media_id={id}&anchor_type=UPLOAD&entity_type=OBJECTS&threshold=0"
    );
    assert!(curl(&bearer, &["-X", "GET", &address])["clusters"].is_array());
}
