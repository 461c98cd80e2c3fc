//! What a person waits while a job keeps a real model busy: the batch that runs, and hardly more.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lamina_inference::{
    DualEncoder, EncoderConfig, Lane, ModelPackage, PoolReport, TextEncoder, TextRole,
};

use crate::support::{runtime, workspace};

/// What a query may wait beside one batch of the job.
const GRACE: Duration = Duration::from_millis(20);
/// Fewest queries, and fewest batches of the job beside them.
const QUERIES: usize = 41;
const JOBS: usize = 8;
const BATCH: usize = 8;

fn package(folder: &str) -> ModelPackage {
    ModelPackage::open(&workspace().join(folder)).unwrap()
}

fn config() -> EncoderConfig {
    EncoderConfig {
        max_batch: Some(BATCH),
        ..EncoderConfig::default()
    }
}

/// Runs the job until all queries are answered.
async fn race(job: impl AsyncFn(), query: impl AsyncFn()) -> Duration {
    let (is_over, jobs) = (AtomicBool::new(false), AtomicUsize::new(0));
    let work = async || {
        while !is_over.load(Ordering::Relaxed) {
            job().await;
            jobs.fetch_add(1, Ordering::Relaxed);
        }
    };
    let person = async {
        // The job is well under way, with a second batch waiting behind the first.
        job().await;
        let mut waits = Vec::new();
        while waits.len() < QUERIES || jobs.load(Ordering::Relaxed) < JOBS {
            let asked = Instant::now();
            query().await;
            waits.push(asked.elapsed());
        }
        is_over.store(true, Ordering::Relaxed);
        waits.sort();
        waits[waits.len() / 2]
    };
    let (_, _, wait) = tokio::join!(work(), work(), person);
    wait
}

/// What counts is how long a query lies in its lane, as the pool itself sees it: when the machine lets the asking thread run again is
/// not the pool's affair. The wall time is printed.
#[track_caller]
fn assert_quick(what: &str, median: Duration, asked: &PoolReport, job: &PoolReport) {
    assert!(
        job.bulk.items >= (JOBS * BATCH) as u64,
        "no job ran beside it"
    );
    let queries = asked.interactive.items as u32;
    let wait = Duration::from_secs_f64(asked.interactive.wait_seconds) / queries;
    let batch = Duration::from_secs_f64(job.run_seconds) / job.batches as u32;
    eprintln!("{what}: waits {wait:?}, takes {median:?}; a batch of the job {batch:?}");
    assert!(wait <= batch + GRACE, "{what}: {wait:?} beside {batch:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_query_waits_for_no_batch_of_pictures() {
    let package = package("models/lamina-starter-encoder");
    let encoder = DualEncoder::start(&runtime(), &package, &config()).unwrap();
    let side = encoder.input_spec().size as usize;
    let pictures = vec![vec![0.25; 3 * side * side]; BATCH];
    let median = race(
        async || {
            let pictures = pictures.clone();
            encoder.embed_images(Lane::Bulk, pictures).await.unwrap();
        },
        async || {
            let text = vec!["a red boat on the water".to_owned()];
            encoder.embed_texts(Lane::Interactive, text).await.unwrap();
        },
    )
    .await;
    let report = encoder.report();
    let texts = report.text.unwrap();
    assert_quick("texts beside pictures", median, &texts, &report.vision);
    encoder.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_waits_for_one_batch_of_the_same_graph_at_most() {
    let package = package("tests/golden/tiny-text-encoder");
    let encoder = TextEncoder::start(&runtime(), &package, &config()).unwrap();
    let captions = vec!["a caption of a job ".repeat(40); BATCH];
    let median = race(
        async || {
            let captions = captions.clone();
            let done = encoder.embed(Lane::Bulk, TextRole::Document, captions);
            done.await.unwrap();
        },
        async || {
            let text = vec!["boat".to_owned()];
            let answer = encoder.embed(Lane::Interactive, TextRole::Query, text);
            answer.await.unwrap();
        },
    )
    .await;
    let graph = encoder.report().graphs[0].1.clone();
    assert_quick("a query beside captions", median, &graph, &graph);
    encoder.shutdown().await;
}
