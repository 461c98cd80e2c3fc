//! `lamina models pull`.

use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use lamina_hub::{Catalog, CatalogEntry, Hub, HubOptions, Progress, Pulled};
use serde::Serialize;

use super::args::{ModelsArgs, PullArgs};
use crate::{output, places};

#[derive(Serialize)]
struct Report<'a> {
    package: &'a str,
    licence: &'a str,
    folder: String,
    revision: Option<&'a str>,
    was_installed: bool,
    files: Vec<ReportedFile<'a>>,
}

#[derive(Serialize)]
struct ReportedFile<'a> {
    path: &'a str,
    sha256: String,
    bytes: u64,
    pinned: bool,
}

/// Pulls one package after another.
///
/// # Errors
/// An unknown entry; the hub; bytes that are not what they should be.
pub async fn run(args: &ModelsArgs, pull: &PullArgs) -> anyhow::Result<ExitCode> {
    let folders = places::model_folders(&args.inference, &args.data.data_dir);
    let catalog = Catalog::read(&folders)?;
    let entries = pull.entries.iter().map(|name| {
        catalog.find(name).cloned().with_context(|| {
            let known: Vec<&str> = catalog.entries().iter().map(CatalogEntry::name).collect();
            format!("the catalog has no {name:?}; it has {}", known.join(", "))
        })
    });
    let entries: Vec<CatalogEntry> = entries.collect::<anyhow::Result<_>>()?;
    let options = hub_options(pull);
    let (target, is_quiet) = (places::installed_models(&args.data.data_dir), pull.json);
    let work = move || -> anyhow::Result<()> {
        let hub = Hub::new(options)?;
        for entry in &entries {
            if !is_quiet {
                announce(entry, &hub);
            }
            let bar = bar(is_quiet)?;
            let mut tell = |progress: Progress<'_>| show(&bar, &progress);
            let pulled = lamina_hub::pull(entry, &hub, &target, &mut tell);
            bar.finish_and_clear();
            report(entry, &pulled?, is_quiet)?;
        }
        Ok(())
    };
    // Files and sockets that block; a break ends the process, and what is there stays for the next run.
    tokio::task::spawn_blocking(work).await??;
    Ok(ExitCode::SUCCESS)
}

/// How the hub is reached. The token of the public hub is not for mirrors.
fn hub_options(pull: &PullArgs) -> HubOptions {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the binary, where configuration is read"
    )]
    let variable = |names: &[&str]| {
        let found = names.iter().filter_map(|name| std::env::var(name).ok());
        found.into_iter().find(|value| !value.is_empty())
    };
    let of_hub = || variable(&["HF_TOKEN"]).filter(|_| pull.mirror.is_none());
    let is_plain = pull
        .mirror
        .as_deref()
        .is_some_and(|mirror| mirror.starts_with("http://"));
    let proxies: &[&str] = if is_plain {
        &["http_proxy", "ALL_PROXY", "all_proxy"]
    } else {
        &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
    };
    HubOptions {
        mirror: pull.mirror.clone(),
        token: pull.token.clone().or_else(of_hub),
        proxy: variable(proxies),
        no_proxy: variable(&["NO_PROXY", "no_proxy"]),
    }
}

fn announce(entry: &CatalogEntry, hub: &Hub) {
    let place = entry.hub();
    let size = entry.bytes().map_or_else(String::new, |bytes| {
        format!(", {:.0} MB", bytes as f64 / 1e6)
    });
    output::line(format_args!(
        "{}: {}\n  licence {}{size}, from {}/{}",
        entry.name(),
        entry.outline().description,
        entry.licence(),
        hub.base(place.kind),
        place.repository
    ));
}

fn bar(is_quiet: bool) -> anyhow::Result<ProgressBar> {
    let bar = if is_quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let style = ProgressStyle::with_template(
        "  {msg:<28} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
    )?;
    Ok(bar.with_style(style))
}

fn show(bar: &ProgressBar, progress: &Progress<'_>) {
    if bar.message() != progress.file {
        bar.set_message(progress.file.to_owned());
        bar.reset_eta();
    }
    bar.set_length(progress.total.unwrap_or(progress.done));
    bar.set_position(progress.done);
}

fn report(entry: &CatalogEntry, pulled: &Pulled, is_json: bool) -> anyhow::Result<()> {
    if is_json {
        let file =
            |file: &'_ lamina_hub::PulledFile| (file.sha256.to_hex(), file.bytes, file.was_pinned);
        let files = pulled.files.iter().map(|one| {
            let (sha256, bytes, pinned) = file(one);
            ReportedFile {
                path: &one.path,
                sha256,
                bytes,
                pinned,
            }
        });
        return output::json(&Report {
            package: &pulled.package,
            licence: entry.licence(),
            folder: pulled.dir.display().to_string(),
            revision: pulled.revision.as_deref(),
            was_installed: pulled.was_there,
            files: files.collect(),
        });
    }
    if pulled.was_there {
        output::line(format_args!("  {} is installed and whole", pulled.package));
        return Ok(());
    }
    let recorded: Vec<_> = pulled
        .files
        .iter()
        .filter(|file| !file.was_pinned)
        .collect();
    if !recorded.is_empty() {
        let revision = pulled.revision.as_deref().unwrap_or("not said by the hub");
        output::line(format_args!(
            "  not pinned by the catalog; recorded now, and later pulls must bring the same (revision {revision}):"
        ));
        for file in recorded {
            output::line(format_args!(
                "    {} {} {} bytes",
                file.path, file.sha256, file.bytes
            ));
        }
    }
    output::line(format_args!(
        "  installed {} in {}; let it answer to a slot by `lamina models bind SLOT {}`",
        pulled.package,
        pulled.dir.display(),
        pulled.package
    ));
    Ok(())
}
