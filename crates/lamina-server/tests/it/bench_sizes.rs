//! `lamina bench additions` and `lamina bench export`: what they hold the server to, on small datasets. The environment sets larger
//! ones: `BENCH_PICTURES` and `BENCH_MEDIA`.

use serde_json::Value;

use crate::support::installation;

/// Seconds from the last embedding until everything that was added is found.
const FOUND_WITHIN_S: f64 = 10.0;

/// Memory that an export may take above what was there.
const EXPORT_MB: f64 = 300.0;

fn number(variable: &str, usual: u64) -> String {
    let set = std::env::var(variable).ok();
    set.unwrap_or_else(|| usual.to_string())
}

/// Runs a bench to its end; what it prints.
fn bench(args: &[&str]) -> Value {
    let home = installation();
    let output = home.run("bench", &[args, &["--json"]].concat()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprintln!("{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn what_is_added_is_found_within_seconds_and_a_reindex_makes_a_fresh_build() {
    let pictures = number("BENCH_PICTURES", 120);
    let report = bench(&["additions", "--pictures", &pictures, "--added", "12"]);
    assert_eq!(report["pictures"].to_string(), pictures);
    let found = report["found_after_s"].as_f64().unwrap();
    let published = report["published_after_s"].as_f64().unwrap();
    assert!(
        0.0 < published && published <= found && found < FOUND_WITHIN_S,
        "{report}"
    );
    let joined = report["joined"].as_array().unwrap();
    assert!(
        joined.iter().map(Value::as_u64).is_sorted() && joined[4].as_u64() > Some(0),
        "{report}"
    );
}

#[test]
fn an_export_takes_little_memory_with_and_without_originals() {
    let media = number("BENCH_MEDIA", 3_000);
    let home = installation();
    let run = |more: &[&str]| -> Value {
        let usual = ["export", "--media", &media, "--json"];
        let output = home.run("bench", &[&usual, more].concat()).unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8_lossy(&output.stdout);
        eprintln!("{text}");
        serde_json::from_str(&text).unwrap()
    };
    let bytes = |report: &Value| report["archive_bytes"].as_u64().unwrap();
    let plain = run(&["--dimension", "16"]);
    let full = run(&["--dimension", "16", "--images"]);
    let originals = 10_000 * media.parse::<u64>().unwrap();
    assert!(bytes(&full) > originals && bytes(&plain) < originals / 2);
    for report in [plain, full] {
        for what in ["written_above_base_mb", "fetched_above_mb"] {
            assert!(report[what].as_f64().unwrap() < EXPORT_MB, "{report}");
        }
    }
}
