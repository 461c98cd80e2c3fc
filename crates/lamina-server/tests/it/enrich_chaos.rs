//! One enrichment, worked on by a server and a worker, both killed with -9 again and again: every output once, answers as if
//! nothing had happened.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lamina_media::demo::Random;
use lamina_testkit::client::Client;
use lamina_testkit::pictures;
use lamina_testkit::server::{Installation, Server, until};
use serde_json::{Value, json};

use crate::support::{PATIENCE, assert_clean, everything_said, get, import, installation, served};

/// Kills in an ordinary run; `CHAOS_ROUNDS` sets another number.
const KILLS: u32 = 3;

/// Pictures for each kill, so that there is work left for the last one.
const PICTURES_PER_KILL: u32 = 4;

/// Shortest of the longest stretches between the last start of a process and the next kill. In general it is a quarter of what
/// the undisturbed run took, on whatever machine, so that some stretches end before any work is done and some see much of it.
const LEAST_STRETCH: Duration = Duration::from_secs(4);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The processes that share the work.
struct Crew<'a> {
    home: &'a Installation,
    server: Server,
    worker: Helper,
}

impl<'a> Crew<'a> {
    fn start(home: &'a Installation) -> Self {
        Self {
            home,
            server: server(home),
            worker: worker(home),
        }
    }

    fn client(&self) -> Client {
        self.server.client(Some(self.home.token().unwrap()))
    }

    /// Kills the server, the worker, or both, and starts them again.
    fn kill(self, which: usize) -> Self {
        let Self {
            home,
            server: old,
            mut worker,
        } = self;
        if which != 0 {
            worker.0.kill().unwrap();
            worker.0.wait().unwrap();
        }
        let server = if which == 1 {
            old
        } else {
            old.kill().unwrap();
            server(home)
        };
        // A worker whose database is gone waits for it, or ends and is started again as a service manager would.
        if worker.0.try_wait().unwrap().is_some() {
            worker = self::worker(home);
        }
        Self {
            home,
            server,
            worker,
        }
    }
}

/// A worker process that ends with the test, however the test ends.
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn server(home: &Installation) -> Server {
    let short = ["--lease", "2s", "--chunk-files", "8"];
    home.serve(|command| {
        command.args(short);
    })
    .unwrap()
}

fn worker(home: &Installation) -> Helper {
    let mut command = home.command("worker");
    command
        .args(["--lease", "2s", "--chunk-files", "8", "--worker-slots", "1"])
        .stdout(Stdio::null());
    Helper(command.spawn().unwrap())
}

fn imported(home: &Installation, folder: &Path) -> String {
    let source = import(home, folder, "drawn");
    source["dataset_id"].as_str().unwrap().to_owned()
}

/// Every type that is offered.
fn ask(client: &Client, source: &str) -> String {
    let listed = get(client, &format!("/enrichment/{source}/list_models"));
    let models: serde_json::Map<String, Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|model| {
            (
                model["type"].as_str().unwrap().to_owned(),
                model["id"].clone(),
            )
        })
        .collect();
    let path = format!("/api/v1/dataset/{source}/enrich_dataset");
    let answer = client
        .post_json(&path, &json!({ "enrichment_models": models }))
        .unwrap();
    let answer = answer.json().unwrap();
    answer["dataset_id"].as_str().unwrap().to_owned()
}

/// Whether the copy is at rest now; a server that was just started may still be busy with itself.
fn ended(client: &Client, copy: &str) -> anyhow::Result<Option<Value>> {
    let dataset = client.get(&format!("/api/v1/dataset/{copy}"))?.json()?;
    let status = dataset["status_new"].as_str().unwrap_or_default();
    Ok(matches!(status, "READY" | "ERROR").then_some(dataset))
}

#[test]
fn an_enrichment_whose_processes_are_killed_again_and_again_ends_as_if_undisturbed() {
    let kills = number("CHAOS_ROUNDS").map_or(KILLS, |rounds| rounds as u32);
    let seed = number("CHAOS_SEED").unwrap_or(0x1a31_4a17);
    eprintln!("CHAOS_SEED={seed}");
    let mut random = Random::new(seed);

    let calm = installation();
    let folder = calm.data.path().join("photos");
    pictures::write_mixed(&folder, (kills * PICTURES_PER_KILL) as usize, 0).unwrap();
    let source = imported(&calm, &folder);
    let (quiet, client) = served(&calm);
    let begun = Instant::now();
    let copy = ask(&client, &source);
    let dataset = until(PATIENCE * 10, "the undisturbed run", || {
        ended(&client, &copy)
    })
    .unwrap();
    assert_eq!(dataset["status_new"], "READY", "{dataset}");
    let longest = (begun.elapsed() / 4).max(LEAST_STRETCH);
    let expected = everything_said(&client, &copy);
    drop(quiet);

    let mut done = 0;
    while done < kills {
        let home = installation();
        let source = imported(&home, &folder);
        let mut crew = Crew::start(&home);
        let copy = ask(&crew.client(), &source);
        while done < kills && ended(&crew.client(), &copy).unwrap().is_none() {
            let stretch = longest.mul_f64(random.below(1_000) as f64 / 1_000.0);
            let begun = Instant::now();
            let is_over = || Ok((begun.elapsed() >= stretch).then_some(()));
            until(PATIENCE, "a moment", is_over).unwrap();
            let which = random.below(3);
            crew = crew.kill(which);
            done += 1;
            let progress = get(&crew.client(), &format!("/dataset/{copy}"))["progress"].clone();
            eprintln!(
                "kill {done} after {stretch:?}: {}, at {progress} %",
                ["server", "worker", "both"][which]
            );
        }
        let client = crew.client();
        let dataset = until(PATIENCE * 10, "the disturbed run", || ended(&client, &copy)).unwrap();
        assert_eq!(dataset["status_new"], "READY", "{dataset}");
        assert_eq!(
            get(&client, &format!("/dataset/{source}"))["status_new"],
            "READY"
        );
        assert_eq!(everything_said(&client, &copy), expected);
        assert_clean(&home);
    }
}
