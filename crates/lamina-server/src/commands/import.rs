//! `lamina import`: a dataset from a folder, an archive or a list.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lamina_explore::ThresholdSense;
use lamina_store::source_items;
use lamina_types::{DatasetId, DatasetStatus, ServeMode, SourceType};
use tokio_util::sync::CancellationToken;

use crate::cli::ImportArgs;
use crate::datasets::{self, NewImport};
use crate::home::{Home, Stay, absolute};
use crate::watch::{self, Ended};
use crate::{engine, output, signals};

/// Exit code of `--strict` when files were rejected.
const SOME_REJECTED: u8 = 3;

/// Rejected files read at once for the report.
const PAGE: u32 = 10_000;

/// Makes the dataset; with `--wait` sees it through. When no server runs on the private database, this process does the
/// work itself.
///
/// # Errors
/// A path that cannot be imported; the database.
pub async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let path = absolute(&args.path)?;
    let stop = signals::stop_token()?;
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let outcome = import(&args, &path, &home, &stop).await;
    stop.cancel();
    home.close().await;
    outcome
}

async fn import(
    args: &ImportArgs,
    path: &Path,
    home: &Home,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let owner = match &args.user {
        Some(name) => home.user(Some(name)).await?,
        None => home.ensure_first_user().await?,
    };
    let serve_mode = if args.reduce_disk_space {
        ServeMode::ReduceDiskSpace
    } else {
        ServeMode::Copy
    };
    let new = NewImport {
        path,
        name: &args.name,
        serve_mode,
        source_type: SourceType::Folder,
    };
    let dataset = datasets::create(home, &owner, &new).await?;
    if !args.wait {
        if args.json {
            output::json(
                &serde_json::json!({ "dataset_id": dataset.id, "status": dataset.status }),
            )?;
        } else {
            output::line(format_args!("dataset {} is queued", dataset.id));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let ended = if home.is_alone() {
        work_and_watch(args, home, dataset.id, stop).await?
    } else {
        watch::until_at_rest(&home.pool, dataset.id, !args.json, stop).await?
    };
    let report = match ended.counts.rejected {
        0 => None,
        _ => Some(write_report(home, dataset.id).await?),
    };
    summarise(args, &ended, report.as_deref())?;
    Ok(match ended.dataset.status {
        DatasetStatus::Ready if args.strict && ended.counts.rejected > 0 => {
            ExitCode::from(SOME_REJECTED)
        }
        DatasetStatus::Ready => ExitCode::SUCCESS,
        DatasetStatus::Draft
        | DatasetStatus::Indexing
        | DatasetStatus::ReadOnly
        | DatasetStatus::PartialIndex
        | DatasetStatus::Error => ExitCode::FAILURE,
    })
}

/// Nobody else can be working on jobs: do it here.
async fn work_and_watch(
    args: &ImportArgs,
    home: &Home,
    id: DatasetId,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let encoders = engine::start_encoders(&args.inference, home).await?;
    let explorer = engine::explorer(home, &encoders, &args.index, ThresholdSense::default());
    let runner = engine::worker(home, &explorer, &args.worker, &args.index)?;
    let done = stop.child_token();
    let (ended, ()) = tokio::join!(
        async {
            let ended = watch::until_at_rest(&home.pool, id, !args.json, stop).await;
            done.cancel();
            ended
        },
        runner.run(done.clone())
    );
    encoders.models().shutdown().await;
    ended
}

/// One CSV line per rejected file, in the data directory.
async fn write_report(home: &Home, id: DatasetId) -> anyhow::Result<PathBuf> {
    let folder = home.dir.join("reports");
    fs_err::create_dir_all(&folder)?;
    let path = folder.join(format!("{id}-rejected.csv"));
    let mut file = std::io::BufWriter::new(fs_err::File::create(&path)?);
    writeln!(file, "path,reason,detail")?;
    let mut after = None;
    loop {
        let page = source_items::rejected(&home.pool, id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.batch, last.position));
        for item in &page {
            let rejection = &item.rejection;
            writeln!(
                file,
                "{},{},{}",
                cell(&item.original_uri),
                rejection.reason,
                cell(&rejection.detail)
            )?;
        }
    }
    file.flush()?;
    Ok(path)
}

/// A CSV cell; one that a spreadsheet would take for a formula gets a leading apostrophe.
fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn summarise(args: &ImportArgs, ended: &Ended, report: Option<&Path>) -> anyhow::Result<()> {
    let (dataset, counts) = (&ended.dataset, &ended.counts);
    if args.json {
        return output::json(&serde_json::json!({
            "dataset_id": dataset.id,
            "name": dataset.display_name,
            "status": dataset.status,
            "fatal_error_msg": dataset.fatal_error_msg,
            "n_images": dataset.n_images,
            "files": counts.done + counts.rejected,
            "rejected": counts.rejected,
            "rejected_by_reason": counts.by_reason.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
            "report": report,
            "seconds": ended.elapsed.as_secs_f64(),
        }));
    }
    output::line(format_args!(
        "dataset   {} ({})",
        dataset.id, dataset.display_name
    ));
    output::line(format_args!("status    {}", dataset.status));
    if let Some(message) = &dataset.fatal_error_msg {
        output::line(format_args!("reason    {message}"));
    }
    output::line(format_args!("pictures  {}", dataset.n_images));
    output::line(format_args!("rejected  {}", counts.rejected));
    for (reason, number) in &counts.by_reason {
        output::line(format_args!("          {number:>6} {reason}"));
    }
    if let Some(report) = report {
        output::line(format_args!("report    {}", report.display()));
    }
    let rate = counts.done as f64 / ended.elapsed.as_secs_f64().max(0.001);
    output::line(format_args!(
        "time      {:.1} s, {rate:.0} pictures/s",
        ended.elapsed.as_secs_f64()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_cannot_break_out_or_become_formulas() {
        assert_eq!(cell("a\"b,c"), "\"a\"\"b,c\"");
        assert_eq!(cell("=cmd()"), "\"'=cmd()\"");
    }
}
