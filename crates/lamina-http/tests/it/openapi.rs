//! The description: what is served is described, names are stable.

use std::collections::BTreeSet;

use sqlx::PgPool;

use crate::app::TestApp;

/// Operations of this version: method, path, operation id. A change of the interface is a change of this list.
const OPERATIONS: &str = include_str!("../../../../tests/contract/operations.txt");

fn operations() -> Vec<String> {
    let document = serde_json::to_value(lamina_http::openapi()).unwrap();
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            lines.push(format!("{} {path} {id}", method.to_uppercase()));
        }
    }
    lines.sort();
    lines
}

#[test]
fn the_operations_are_those_of_the_list() {
    let found = operations();
    let listed: Vec<&str> = OPERATIONS
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert_eq!(
        found,
        listed,
        "write the new list into tests/contract/operations.txt:\n{}\n",
        found.join("\n")
    );
    let ids: BTreeSet<&str> = found
        .iter()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!(ids.len(), found.len(), "operation ids are unique");
}

/// The whole description. `LAMINA_UPDATE_CONTRACT=1 cargo test -p lamina-http --test it openapi` writes it anew.
#[test]
fn the_description_is_the_one_that_was_looked_at() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract/openapi.json");
    let mut found = serde_json::to_string_pretty(&lamina_http::openapi()).unwrap();
    found.push('\n');
    if std::env::var_os("LAMINA_UPDATE_CONTRACT").is_some() {
        fs_err::write(&path, &found).unwrap();
    }
    let kept = fs_err::read_to_string(&path).unwrap_or_default();
    let differing = found
        .lines()
        .zip(kept.lines())
        .position(|(found, kept)| found != kept);
    assert!(
        found == kept,
        "tests/contract/openapi.json differs from line {} on; look at the difference and write it anew with \
         LAMINA_UPDATE_CONTRACT=1 cargo test -p lamina-http --test it openapi",
        differing.map_or(0, |line| line + 1)
    );
}

#[test]
fn every_failure_has_an_example_and_every_operation_says_how_it_fails() {
    let document = serde_json::to_value(lamina_http::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(
                responses.contains_key("500") && responses.contains_key("503"),
                "{name}"
            );
            for (status, response) in responses
                .iter()
                .filter(|(status, _)| status.starts_with(['4', '5']))
            {
                let example = &response["content"]["application/json"]["example"]["detail"];
                let is_good = example.is_string() || (status == "422" && example.is_array());
                assert!(is_good, "{name} {status}");
            }
        }
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn every_described_operation_is_served_and_asks_who_calls(pool: PgPool) {
    let app = TestApp::new(pool).await;
    for line in operations() {
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let path = path.replace("{trans_id}", "1");
        let path = path.replace(['{', '}'], "");
        let answer = app.call(method, &path, None).await;
        let expected = match path.rsplit('/').next() {
            Some("healthcheck") => 200,
            // Signing in is how one becomes known.
            Some("auth") if method == "POST" => 422,
            // So is coming from an identity provider, which there is none of.
            Some("login" | "callback") => 400,
            _ => 401,
        };
        assert_eq!(answer.code(), expected, "{line}");
    }
}

#[sqlx::test(migrator = "lamina_store::MIGRATOR")]
async fn description_and_page_need_no_network(pool: PgPool) {
    let app = TestApp::new(pool).await;
    let document = app.call("GET", "/api/v1/openapi.json", None).await;
    assert_eq!(document.json()["info"]["title"], "Lamina");
    let page = app.call("GET", "/api/v1/docs", None).await;
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
    for foreign in ["http://", "https://", "<script", "src="] {
        assert!(!page.text().contains(foreign), "{foreign}");
    }
}
