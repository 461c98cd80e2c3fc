//! `lamina verify`: every stored thing against every other.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use lamina_explore::generations;
use lamina_index::{Generation, StopFlag};
use lamina_store::datasets::{self, Dataset};
use lamina_store::verify::{Check, VerifyOptions, VerifyReport, verify};
use lamina_store::{generations as rows, spaces};
use lamina_types::{DatasetStatus, Space};

use crate::cli::VerifyArgs;
use crate::home::{Home, Stay};
use crate::output;

/// Items that search for themselves, per generation.
const SELF_SEARCHES: usize = 10_000;

/// Farthest that an item may be from itself.
const SELF_DISTANCE: f32 = 1e-3;

/// Files of uploads under way may be without a row for so long.
const GRACE: Duration = Duration::from_secs(24 * 3600);

/// Prints every check; 1 on any breach.
///
/// # Errors
/// The database cannot be read at all.
pub async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let home = Home::open(&args.data, &args.database, Stay::Visitor).await?;
    let options = VerifyOptions {
        deep: args.deep,
        grace: GRACE,
        checksum_of: Generation::checksum_of,
        ..VerifyOptions::default()
    };
    let mut report = verify(&home.pool, &home.blobs, &options).await?;
    if args.deep {
        let (files, searches) = check_generations(&home).await?;
        report.checks.push(files);
        report.checks.push(searches);
    }
    home.close().await;
    show(&report, args.json)?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Reads each published generation, checks that its clusters partition and nest, and searches items by themselves.
async fn check_generations(home: &Home) -> anyhow::Result<(Check, Check)> {
    let mut broken = Vec::new();
    let mut lost = Vec::new();
    for dataset in datasets::list_all(&home.pool).await? {
        if !matches!(
            dataset.status,
            DatasetStatus::Ready | DatasetStatus::PartialIndex
        ) {
            continue;
        }
        match read(home, &dataset).await {
            Ok(found) => {
                for generation in found {
                    broken.extend(cluster_breaches(&dataset, &generation));
                    lost.extend(search_breaches(&dataset, &generation)?);
                }
            }
            Err(error) => broken.push(format!("{}: {error:#}", dataset.id)),
        }
    }
    let check = |id, description, breaches: Vec<String>| Check {
        id,
        description,
        breach_count: breaches.len(),
        breaches,
    };
    Ok((
        check(
            "V10",
            "generation files are readable, clusters partition the media and levels are nested",
            broken,
        ),
        check("V5", "every item finds itself", lost),
    ))
}

async fn read(home: &Home, dataset: &Dataset) -> anyhow::Result<Vec<Generation>> {
    let mut found = Vec::new();
    for space in spaces::list(&home.pool, dataset.id).await? {
        let Some(row) =
            rows::latest(&home.pool, dataset.id, space.entity_type, space.space).await?
        else {
            // Spaces that are only searched are read from Postgres.
            if space.space == Space::Index {
                anyhow::bail!("no generation is published for {}", space.space);
            }
            continue;
        };
        let expected = generations::expectation(&row, &space);
        let bytes = home.blobs.get(&row.blob_key).await?;
        let generation = Generation::decode(&bytes, &expected)?;
        let vectors = generations::load_vectors(&home.pool, dataset.id, &space).await?;
        anyhow::ensure!(
            *vectors == *generation.vectors,
            "its vectors are not those in Postgres"
        );
        found.push(generation);
    }
    Ok(found)
}

fn cluster_breaches(dataset: &Dataset, generation: &Generation) -> Vec<String> {
    let mut breaches = Vec::new();
    for (level, clusters) in generation.levels.iter().enumerate() {
        if clusters.len() != generation.vectors.len() {
            breaches.push(format!(
                "{}: level {level} has {} entries",
                dataset.id,
                clusters.len()
            ));
        }
        let lowest = |&first: &u32| clusters.get(first as usize) == Some(&first);
        if !clusters.iter().all(lowest) {
            breaches.push(format!(
                "{}: level {level} names a cluster by an item outside of it",
                dataset.id
            ));
        }
    }
    for (level, pair) in generation.levels.windows(2).enumerate() {
        if let [fine, coarse] = pair {
            let parents: BTreeSet<(u32, u32)> =
                fine.iter().copied().zip(coarse.iter().copied()).collect();
            let children: BTreeSet<u32> = parents.iter().map(|(child, _)| *child).collect();
            if parents.len() != children.len() {
                breaches.push(format!(
                    "{}: a cluster of level {level} lies in two of the next",
                    dataset.id
                ));
            }
        }
    }
    breaches
}

fn search_breaches(dataset: &Dataset, generation: &Generation) -> anyhow::Result<Vec<String>> {
    let count = generation.vectors.len();
    let index = generation.index();
    let step = count.div_ceil(SELF_SEARCHES).max(1);
    let mut breaches = Vec::new();
    for ordinal in (0..count).step_by(step) {
        let hits = index.search(
            &generation.vectors.unit_row(ordinal),
            1,
            None,
            &StopFlag::new(),
        )?;
        if hits.first().is_none_or(|hit| hit.distance > SELF_DISTANCE) {
            breaches.push(format!(
                "{}: item {ordinal} does not find itself",
                dataset.id
            ));
        }
    }
    Ok(breaches)
}

fn show(report: &VerifyReport, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(report);
    }
    for check in &report.checks {
        let state = if check.breach_count == 0 {
            "ok".to_owned()
        } else {
            format!("{} breaches", check.breach_count)
        };
        output::line(format_args!(
            "{:<4} {:<12} {}",
            check.id, state, check.description
        ));
        for breach in &check.breaches {
            output::line(format_args!("       {breach}"));
        }
    }
    Ok(())
}
