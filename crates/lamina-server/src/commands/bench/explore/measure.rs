//! One kind of query measured, and what it matches.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lamina_explore::Explorer;
use lamina_store::datasets::DatasetAccess;
use lamina_types::DatasetId;
use serde::Serialize;
use tokio::task::JoinSet;

use super::queries::{Kind, Query};
use crate::commands::bench::client::Client;
use crate::commands::bench::process_cpu;
use crate::commands::bench::whole::MachineTimes;
use crate::output;

/// Requests before those that count, of other numbers.
const WARM_UP: usize = 20;
/// Queries whose matches are counted.
const COUNTED: usize = 10;
/// Halvings in the search for a distance.
const HALVINGS: usize = 12;

/// How pages are asked for.
pub struct Pages {
    pub address: SocketAddr,
    pub dataset: DatasetId,
    pub requests: usize,
    pub concurrency: usize,
}

/// What one kind of query took.
#[derive(Debug, Serialize)]
pub struct Measured {
    name: &'static str,
    /// Share of the dataset that matches, the mean of some queries.
    matching: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU time of this process: server, index, model and the measuring client, without Postgres.
    cpu_ms: f64,
    /// Share of all cores that any process of the machine used meanwhile.
    cores_busy: f64,
    kilobytes: f64,
}

impl Pages {
    /// Path and query of a page.
    pub fn target(&self, query: &Query) -> String {
        format!("/api/v1/explore/{}?{}", self.dataset, query.parameters())
    }

    /// Measures a kind.
    ///
    /// # Errors
    /// An answer that is not 200.
    pub async fn measure(
        &self,
        kind: &Kind,
        explorer: &Explorer,
        access: &DatasetAccess,
        media: usize,
    ) -> anyhow::Result<Measured> {
        let matching = mean_share(explorer, access, media, &kind.make).await?;
        let targets: Vec<String> = (0..WARM_UP + self.requests)
            .map(|number| self.target(&(kind.make)(number)))
            .collect();
        let (warm_up, counted) = targets.split_at(WARM_UP);
        self.ask(warm_up).await?;
        let (cpu, machine) = (process_cpu(), MachineTimes::now()?);
        let (mut times, bytes) = self.ask(counted).await?;
        let cpu = process_cpu().saturating_sub(cpu);
        let cores_busy = MachineTimes::now()?.since(&machine);
        times.sort_unstable();
        let at = |share: f64| {
            let place = (times.len() as f64 * share) as usize;
            let time = times.get(place.min(times.len().saturating_sub(1)));
            time.map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        let each = self.requests.max(1) as f64;
        Ok(Measured {
            name: kind.name,
            matching,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            cpu_ms: cpu.as_secs_f64() * 1_000.0 / each,
            cores_busy,
            kilobytes: bytes as f64 / each / 1_000.0,
        })
    }

    /// Asks for all targets; how long each took, and the bytes of all answers.
    async fn ask(&self, targets: &[String]) -> anyhow::Result<(Vec<Duration>, usize)> {
        let (targets, next) = (Arc::new(targets.to_vec()), Arc::new(AtomicUsize::new(0)));
        let mut askers = JoinSet::new();
        for _ in 0..self.concurrency {
            let mut client = Client::connect(self.address).await?;
            let (targets, next) = (Arc::clone(&targets), Arc::clone(&next));
            askers.spawn(async move {
                let (mut times, mut bytes) = (Vec::new(), 0);
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    bytes += client.get(target).await?.len();
                    times.push(begun.elapsed());
                }
                anyhow::Ok((times, bytes))
            });
        }
        let (mut times, mut bytes) = (Vec::with_capacity(targets.len()), 0);
        while let Some(asked) = askers.join_next().await {
            let (some, read) = asked??;
            times.extend(some);
            bytes += read;
        }
        Ok((times, bytes))
    }
}

/// Share of the dataset that a query matches.
async fn share(
    explorer: &Explorer,
    access: &DatasetAccess,
    media: usize,
    query: &Query,
) -> anyhow::Result<f64> {
    let found = explorer.pictures(access, &query.plan()?, None).await?;
    Ok(found.map_or(0, |found| found.len()) as f64 / media.max(1) as f64)
}

/// The numbers of queries whose matches are counted.
fn counted() -> impl Iterator<Item = usize> {
    (0..COUNTED).map(|place| place * 31 + 5)
}

/// The mean share of the dataset that the counted queries match.
async fn mean_share(
    explorer: &Explorer,
    access: &DatasetAccess,
    media: usize,
    query: impl Fn(usize) -> Query,
) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for number in counted() {
        sum += share(explorer, access, media, &query(number)).await?;
    }
    Ok(sum / COUNTED as f64)
}

/// The greatest distance at which queries match no more than a share of the dataset, in the mean.
///
/// # Errors
/// A query that is not answered.
pub async fn distance_of_share(
    explorer: &Explorer,
    access: &DatasetAccess,
    media: usize,
    wanted: f64,
    query: impl Fn(usize, f32) -> Query,
) -> anyhow::Result<f32> {
    let (mut low, mut high) = (0.0_f32, 2.0_f32);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        let of_number = |number| query(number, middle);
        if mean_share(explorer, access, media, of_number).await? > wanted {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(low)
}

impl Measured {
    /// A line for people.
    pub fn show(&self) {
        output::line(format_args!(
            "{:<26} {:>7.3} %  p50 {:>7.1} ms  p99 {:>7.1} ms  {:>7.2} CPU ms  {:>7.0} kB  cores {:.0} % busy",
            self.name,
            self.matching * 100.0,
            self.p50_ms,
            self.p99_ms,
            self.cpu_ms,
            self.kilobytes,
            self.cores_busy * 100.0
        ));
    }
}
