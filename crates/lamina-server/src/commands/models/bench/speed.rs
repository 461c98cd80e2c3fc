//! How fast a package answers with one size of batch and one number of threads, what it keeps in memory, and how long a person waits
//! while a job uses it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lamina_inference::{EncoderConfig, Lane, Models, ModelsOptions};
use serde::{Deserialize, Serialize};

use super::peer::Peer;
use super::side::{DemoItems, Item, Side, vision_file};
use crate::commands::bench::process_cpu;
use crate::commands::models::args::{BenchArgs, ModelsArgs};
use crate::{engine, places};

/// Turns that the time is cut into; with a peer, each has one in every turn. The best turn counts: others were disturbed.
const TURNS: u32 = 5;
/// Fewest calls that quantiles are made of.
const FEWEST_CALLS: usize = 20;

/// Throughput.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Rate {
    pub items_per_s: f64,
    /// CPU time of the whole process for one item.
    pub cpu_ms: f64,
}

/// Waiting times, milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Waits {
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
    pub calls: usize,
}

/// One line of the table.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    /// `pictures` or `texts`.
    pub input: String,
    pub batch: usize,
    pub threads: usize,
    #[serde(flatten)]
    pub rate: Rate,
    /// Items of a run of the graph while the throughput was measured.
    pub mean_batch: f64,
    /// Of calls with a whole batch, one after another.
    pub latency: Waits,
    /// ONNX Runtime's own Python binding at the same batch and threads, turn by turn with ours.
    pub python: Option<Rate>,
}

/// What a person waits for one item while a job keeps the model busy.
#[derive(Debug, Serialize, Deserialize)]
pub struct Busy {
    /// Of the person.
    pub query: String,
    /// Of the job.
    pub bulk: String,
    pub batch: usize,
    pub threads: usize,
    #[serde(flatten)]
    pub waits: Waits,
    /// Mean run of a batch of the job meanwhile: a person may have to wait for the one that runs.
    pub bulk_batch_ms: f64,
}

/// What one size of batch and one number of threads come to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Speed {
    pub rows: Vec<Row>,
    pub busy: Busy,
    /// From the call to a warm model, hashing its files included.
    pub load_ms: f64,
    /// Most memory of the process, all included.
    pub peak_resident_mb: f64,
    /// How much of it came with the model.
    pub model_mb: f64,
    pub device: String,
    pub onnxruntime: String,
    pub python_onnxruntime: Option<String>,
}

/// Measures in this process, which should have loaded no model before: memory that was freed is not always given back.
///
/// # Errors
/// The model does not start, or gives no usable answers.
pub async fn measure(
    args: &ModelsArgs,
    bench: &BenchArgs,
    package: &str,
    [batch, threads]: [usize; 2],
) -> anyhow::Result<Speed> {
    let runtime = engine::load_runtime(&args.inference, &args.data.data_dir)?;
    let demo = DemoItems::draw()?;
    let before = resident("VmRSS:")?;
    let encoder = EncoderConfig {
        vision_threads: threads,
        text_threads: threads,
        interactive_capacity: batch.max(64),
        bulk_capacity: 4 * batch.max(16),
        max_batch: Some(batch),
        ..EncoderConfig::default()
    };
    let dirs = places::model_folders(&args.inference, &args.data.data_dir);
    let options = ModelsOptions {
        dirs: dirs.clone(),
        encoder,
        idle_unload: Duration::ZERO,
    };
    let models = Models::new(runtime.clone(), options);
    let started = Instant::now();
    let sides = Side::all(&models, package).await?;
    let load_ms = ms(started.elapsed());
    let manifest = models
        .manifest(package)
        .context("the package has no manifest")?;
    let time = Duration::from_secs_f64(bench.seconds / f64::from(TURNS));
    let mut python_onnxruntime = None;
    let mut rows = Vec::new();
    for side in &sides {
        let items = demo.of(side)?;
        let mut peer = match (&bench.python, vision_file(&manifest), side.input_spec()) {
            (Some(python), Some(file), Some(spec)) => {
                let graph = folder_of(&models, package)?.join(file);
                Some(Peer::start(
                    python,
                    &graph,
                    [batch, threads, spec.size as usize],
                )?)
            }
            _ => None,
        };
        if let Some(peer) = &peer {
            python_onnxruntime = Some(peer.version.clone());
        }
        let before = Ran::of(&models, side);
        let mut rate = Rate::default();
        let mut python: Option<Rate> = None;
        for _ in 0..TURNS {
            rate = faster(rate, throughput(side, &items, batch, time).await?);
            if let Some(peer) = &mut peer {
                python = Some(faster(python.unwrap_or_default(), peer.run(time)?));
            }
        }
        let after = Ran::of(&models, side);
        rows.push(Row {
            input: side.name().to_owned(),
            batch,
            threads,
            rate,
            mean_batch: (after.items - before.items) as f64
                / (after.batches - before.batches).max(1) as f64,
            latency: calls(side, &items, batch, time).await?,
            python,
        });
    }
    let busy = busy(&models, &sides, &demo, [batch, threads], bench.seconds).await?;
    let peak = resident("VmHWM:")?;
    models.shutdown().await;
    Ok(Speed {
        rows,
        busy,
        load_ms,
        peak_resident_mb: peak,
        model_mb: (peak - before).max(0.0),
        device: runtime.device().to_string(),
        onnxruntime: runtime.version().to_owned(),
        python_onnxruntime,
    })
}

/// What the graph of a side has done so far.
struct Ran {
    batches: u64,
    items: u64,
    seconds: f64,
}

impl Ran {
    fn of(models: &Models, side: &Side) -> Self {
        let reports = models.reports();
        let graphs = reports.iter().flat_map(|report| &report.graphs);
        let mut sum = Self {
            batches: 0,
            items: 0,
            seconds: 0.0,
        };
        for (name, pool) in graphs {
            if (*name == "text") == (side.name() == "texts") {
                sum.batches += pool.batches;
                sum.items += pool.items;
                sum.seconds += pool.run_seconds;
            }
        }
        sum
    }
}

fn folder_of(models: &Models, package: &str) -> anyhow::Result<PathBuf> {
    let mut all = models.packages().into_iter();
    let state = all.find(|state| state.package == package);
    Ok(state.context("the package is gone")?.dir)
}

/// Keeps the bulk lane full for so long.
async fn throughput(
    side: &Side,
    items: &[Item],
    batch: usize,
    time: Duration,
) -> anyhow::Result<Rate> {
    let (started, cpu) = (Instant::now(), process_cpu());
    // While the batch of one call runs, those of the others wait.
    let sender = async || -> anyhow::Result<usize> {
        let mut done = 0;
        while started.elapsed() < time {
            side.run(Lane::Bulk, some(items, done, batch)).await?;
            done += batch;
        }
        Ok(done)
    };
    let (first, second, third) = tokio::try_join!(sender(), sender(), sender())?;
    let done = (first + second + third) as f64;
    Ok(Rate {
        items_per_s: done / started.elapsed().as_secs_f64(),
        cpu_ms: ms(process_cpu().saturating_sub(cpu)) / done,
    })
}

/// Calls with a whole batch, one after another, for so long.
async fn calls(side: &Side, items: &[Item], batch: usize, time: Duration) -> anyhow::Result<Waits> {
    let started = Instant::now();
    let mut waits = Vec::new();
    while waits.len() < FEWEST_CALLS || started.elapsed() < time {
        let batch = some(items, waits.len(), batch);
        let call = Instant::now();
        side.run(Lane::Interactive, batch).await?;
        waits.push(ms(call.elapsed()));
    }
    quantiles(waits)
}

/// A person's items, one at a time, while a job sends batch after batch: texts while pictures run where the package has both.
async fn busy(
    models: &Models,
    sides: &[Side],
    demo: &DemoItems,
    [batch, threads]: [usize; 2],
    seconds: f64,
) -> anyhow::Result<Busy> {
    let bulk = sides.first().context("the package has no graph")?;
    let query = sides.last().context("the package has no graph")?;
    let (load, questions) = (demo.of(bulk)?, demo.of(query)?);
    let stop = AtomicBool::new(false);
    let sender = async || -> anyhow::Result<()> {
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            bulk.run(Lane::Bulk, some(&load, done, batch)).await?;
            done += batch;
        }
        Ok(())
    };
    let asking = async {
        // The lane is full before the first question.
        bulk.run(Lane::Bulk, some(&load, 0, batch)).await?;
        let started = Instant::now();
        let mut waits = Vec::new();
        while waits.len() < FEWEST_CALLS || started.elapsed().as_secs_f64() < seconds {
            let item = some(&questions, waits.len(), 1);
            let call = Instant::now();
            query.run(Lane::Interactive, item).await?;
            waits.push(ms(call.elapsed()));
        }
        stop.store(true, Ordering::Relaxed);
        quantiles(waits)
    };
    let before = Ran::of(models, bulk);
    let ((), (), waits) = tokio::try_join!(sender(), sender(), asking)?;
    let after = Ran::of(models, bulk);
    let batches = (after.batches - before.batches).max(1) as f64;
    Ok(Busy {
        query: query.name().to_owned(),
        bulk: bulk.name().to_owned(),
        batch,
        threads,
        waits,
        bulk_batch_ms: (after.seconds - before.seconds) * 1000.0 / batches,
    })
}

/// The next `count` items of the round.
fn some(items: &[Item], from: usize, count: usize) -> Vec<Item> {
    let round = items.iter().cycle().skip(from % items.len().max(1));
    round.take(count).cloned().collect()
}

fn faster(one: Rate, other: Rate) -> Rate {
    if other.items_per_s > one.items_per_s {
        other
    } else {
        one
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A figure of `/proc/self/status`, in megabytes.
fn resident(field: &str) -> anyhow::Result<f64> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes: f64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .with_context(|| format!("no {field} in /proc/self/status"))?
        .trim()
        .parse()?;
    Ok(kilobytes / 1024.0)
}

fn quantiles(mut waits: Vec<f64>) -> anyhow::Result<Waits> {
    waits.sort_by(f64::total_cmp);
    // The value that this share of the calls does not exceed.
    let at = |share: f64| {
        let place = (share * waits.len() as f64).ceil() as usize;
        waits.get(place.saturating_sub(1)).copied()
    };
    let found = (at(0.5), at(0.99), waits.last().copied());
    let (Some(p50_ms), Some(p99_ms), Some(max_ms)) = found else {
        anyhow::bail!("nothing was called");
    };
    Ok(Waits {
        p50_ms,
        p99_ms,
        max_ms,
        calls: waits.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let waits = quantiles((1..=200).rev().map(f64::from).collect()).unwrap();
        assert_eq!((waits.p50_ms, waits.p99_ms), (100.0, 198.0));
        assert_eq!((waits.max_ms, waits.calls), (200.0, 200));
        let one = quantiles(vec![7.0]).unwrap();
        assert_eq!((one.p50_ms, one.p99_ms), (7.0, 7.0));
        assert!(quantiles(Vec::new()).is_err());
    }
}
