//! Prometheus metrics on a port of their own, loopback unless told otherwise.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use lamina_explore::{Encoders, Explorer};
use lamina_http::ServeLimits;
use lamina_inference::PoolReport;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the exporter tidies up; without it its memory grows.
const UPKEEP: Duration = Duration::from_secs(5);

/// Starts the metrics page, if an address was given.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(
    address: Option<SocketAddr>,
    encoders: &Encoders,
    explorer: &Explorer,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(address) = address else {
        return Ok(());
    };
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .context("metrics did not start")?;
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on for metrics"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics are served");
    let (upkeep, stopped) = (handle.clone(), stop.clone());
    tasks.spawn(async move {
        let mut every = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                _ = every.tick() => upkeep.run_upkeep(),
                () = stopped.cancelled() => return,
            }
        }
    });
    let (encoders, explorer) = (encoders.clone(), explorer.clone());
    let render = move || {
        record(&encoders, &explorer);
        handle.render()
    };
    let router = lamina_http::metrics_router(render);
    let stop = stop.clone();
    tasks.spawn(async move {
        if let Err(error) = lamina_http::serve(listener, router, ServeLimits::default(), stop).await
        {
            tracing::error!(%error, "the metrics page broke");
        }
    });
    Ok(())
}

/// What is counted elsewhere, read at the moment of asking.
fn record(encoders: &Encoders, explorer: &Explorer) {
    for report in encoders.models().reports() {
        for (graph, pool) in &report.graphs {
            let labels = [
                ("model", report.package.clone()),
                ("graph", (*graph).to_owned()),
                ("device", report.device.to_string()),
            ];
            record_pool(pool, &labels);
        }
    }
    metrics::gauge!("lamina_snapshot_bytes").set(explorer.bytes_in_memory() as f64);
}

fn record_pool(pool: &PoolReport, labels: &[(&'static str, String); 3]) {
    metrics::gauge!("lamina_inference_running", labels).set(f64::from(u8::from(pool.is_running)));
    metrics::counter!("lamina_inference_batches_total", labels).absolute(pool.batches);
    metrics::counter!("lamina_inference_items_total", labels).absolute(pool.items);
    metrics::counter!("lamina_inference_failed_batches_total", labels)
        .absolute(pool.failed_batches);
    metrics::counter!("lamina_inference_halved_batches_total", labels)
        .absolute(pool.halved_batches);
    metrics::counter!("lamina_inference_rebuilt_sessions_total", labels)
        .absolute(pool.rebuilt_sessions);
    metrics::counter!("lamina_inference_abandoned_items_total", labels)
        .absolute(pool.abandoned_items);
    metrics::counter!("lamina_inference_unusable_outputs_total", labels).absolute(pool.bad_vectors);
    metrics::counter!("lamina_inference_overloaded_total", labels)
        .absolute(pool.overloaded_requests);
    metrics::gauge!("lamina_inference_run_seconds", labels).set(pool.run_seconds);
    for (lane, seen) in [("interactive", &pool.interactive), ("bulk", &pool.bulk)] {
        let [model, graph, device] = labels.clone();
        let labels = [model, graph, device, ("lane", lane.to_owned())];
        metrics::gauge!("lamina_inference_waiting", &labels).set(seen.waiting as f64);
        // Sums since the start: their increase over time, divided by each other, is the mean wait.
        metrics::counter!("lamina_inference_taken_items_total", &labels).absolute(seen.items);
        metrics::gauge!("lamina_inference_wait_seconds", &labels).set(seen.wait_seconds);
        metrics::gauge!("lamina_inference_longest_wait_seconds", &labels)
            .set(seen.longest_wait_seconds);
    }
}
