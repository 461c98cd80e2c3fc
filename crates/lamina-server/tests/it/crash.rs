//! kill -9 at any moment of an ingest: nothing lost, nothing twice, answers as if nothing had happened.

use std::time::{Duration, Instant};

use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, until};
use serde_json::Value;

use crate::support::{PATIENCE, assert_clean, at_rest, digest, import, installation, served};

/// Good and bad files of the ingest that is killed.
const FILES: (usize, usize) = (240, 60);

/// Kills in an ordinary run; `CHAOS_ROUNDS` sets another number.
const ROUNDS: u32 = 5;

fn rounds() -> u32 {
    std::env::var("CHAOS_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS)
}

/// A seed that can be given back, printed so that a failure can be repeated.
fn seed() -> u64 {
    let seed = std::env::var("CHAOS_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0x1a31_4a00);
    eprintln!("CHAOS_SEED={seed}");
    seed
}

fn enqueue(home: &Installation, folder: &std::path::Path, name: &str) -> String {
    let output = home
        .run(
            "import",
            &[folder.to_str().unwrap(), "--name", name, "--json"],
        )
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["dataset_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_killed_at_random_moments_finishes_as_if_undisturbed() {
    let home = installation();
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, FILES.0, FILES.1).unwrap();
    let (server, client) = served(&home);
    let begun = Instant::now();
    let undisturbed = import(&home, &folder, "undisturbed");
    let span = begun.elapsed();
    let expected = digest(&client, undisturbed["dataset_id"].as_str().unwrap());
    drop(server);

    let mut random = lamina_media::demo::Random::new(seed());
    for round in 0..rounds() {
        // A fresh home each time: known contents would make the ingest too short to hit.
        let home = installation();
        let server = serve_with_short_lease(&home);
        let id = enqueue(&home, &folder, "killed");
        let moment = span.mul_f64(f64::from(random.below(1000) as u32) / 1000.0);
        let end = Instant::now() + moment;
        while Instant::now() < end {
            std::thread::yield_now();
        }
        server.kill().unwrap();

        let server = serve_with_short_lease(&home);
        let client = server.client(Some(home.token().unwrap()));
        let dataset = at_rest(&client, &id);
        assert_eq!(
            (&dataset["status_new"], &dataset["n_images"]),
            (&"READY".into(), &FILES.0.into()),
            "round {round}"
        );
        assert_eq!(
            digest(&client, &id),
            expected,
            "round {round}, killed after {moment:?}"
        );
        assert_clean(&home);
    }
}

fn serve_with_short_lease(home: &Installation) -> lamina_testkit::server::Server {
    home.serve(|command| {
        command.args(["--lease", "2s", "--chunk-files", "32"]);
    })
    .unwrap()
}

/// Every place in the code where the process is made to end.
const POINTS: &[&str] = &[
    "phase_started",
    "blob_before_write",
    "blob_renamed",
    "chunk_settled",
    "ingest_chunk_fenced",
    "ingest_chunk_before_commit",
    "ingest_chunk_committed",
    "media_inserted",
    "ingest_media_committed",
    "generation_built",
    "generation_written",
    "generation_inserted",
    "ingest_ready_before_commit",
    "ingest_ready_committed",
];

#[test]
fn a_server_that_ends_at_each_named_point_finishes_at_the_next_start() {
    for point in POINTS {
        let home = installation();
        let folder = home.data.path().join("photos");
        pictures::write_mixed(&folder, 40, 10).unwrap();
        let mut server = home
            .serve(|command| {
                command
                    .args(["--lease", "2s", "--chunk-files", "16"])
                    .env("FAILPOINTS", format!("{point}=1*panic(kill)"));
            })
            .unwrap();
        let id = enqueue(&home, &folder, point);
        server
            .wait(PATIENCE)
            .unwrap_or_else(|error| panic!("{point} was not reached: {error}"));
        let server = serve_with_short_lease(&home);
        let client = server.client(Some(home.token().unwrap()));
        let dataset = at_rest(&client, &id);
        assert_eq!(
            (&dataset["status_new"], &dataset["n_images"]),
            (&"READY".into(), &40.into()),
            "{point}"
        );
        assert_clean(&home);
    }
}

#[test]
fn postgres_killed_under_the_server_comes_back_by_itself() {
    let home = installation();
    let (server, client) = served(&home);
    let folder = home.data.path().join("photos");
    pictures::write_mixed(&folder, 100, 0).unwrap();
    let id = enqueue(&home, &folder, "postgres killed");
    let pid_file = home.data.path().join("postgres/data/postmaster.pid");
    let pid = std::fs::read_to_string(&pid_file)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status()
        .unwrap();
    assert!(killed.success());
    until(Duration::from_secs(60), "the API to answer again", || {
        Ok(client
            .get("/api/v1/datasets")?
            .status
            .eq(&200)
            .then_some(()))
    })
    .unwrap();
    let dataset = at_rest(&client, &id);
    assert_eq!(
        (&dataset["status_new"], &dataset["n_images"]),
        (&"READY".into(), &100.into())
    );
    drop(server);
    assert_clean(&home);
}
