//! The report of `lamina models bench` for people.

use std::fmt::Write as _;

use lamina_inference::RankingQuality;

use super::Report;
use super::quality::Quality;
use super::speed::{Rate, Speed};

/// The whole report, lines without ends.
pub fn lines(report: &Report) -> Vec<String> {
    let mut lines = vec![format!(
        "{} ({}, {}, {:.1} MB)",
        report.package, report.family, report.licence, report.mb
    )];
    if let Some(first) = report.speeds.first() {
        lines.push(format!(
            "device {}, ONNX Runtime {}; {} pictures or texts of the demo dataset, {} s for each line",
            first.device,
            first.onnxruntime,
            super::side::PICTURES,
            report.seconds
        ));
        lines.extend(table(&speeds(&report.speeds)));
        lines.push(String::new());
        lines.push("one item of a person while a job sends batch after batch".to_owned());
        lines.extend(table(&busy(&report.speeds)));
    }
    if let Some(quality) = &report.quality {
        lines.push(String::new());
        lines.push(format!(
            "quality on {} pictures of {}",
            quality.pictures,
            report.photos.as_deref().unwrap_or_default()
        ));
        lines.extend(figures(quality));
    }
    lines
}

fn speeds(speeds: &[Speed]) -> Vec<Vec<String>> {
    let has_peer = speeds
        .iter()
        .flat_map(|speed| &speed.rows)
        .any(|row| row.python.is_some());
    let mut head = vec![
        "input", "batch", "threads", "items/s", "CPU ms", "p50 ms", "p99 ms", "load ms", "peak MB",
        "model MB",
    ];
    if has_peer {
        head.extend(["Python items/s", "Python CPU ms", "ours/Python"]);
    }
    let mut table = vec![head.into_iter().map(str::to_owned).collect()];
    for speed in speeds {
        for row in &speed.rows {
            let mut cells = vec![
                row.input.clone(),
                row.batch.to_string(),
                row.threads.to_string(),
                format!("{:.1}", row.rate.items_per_s),
                format!("{:.2}", row.rate.cpu_ms),
                format!("{:.1}", row.latency.p50_ms),
                format!("{:.1}", row.latency.p99_ms),
                format!("{:.0}", speed.load_ms),
                format!("{:.0}", speed.peak_resident_mb),
                format!("{:.0}", speed.model_mb),
            ];
            if has_peer {
                cells.extend(peer(row.rate, row.python));
            }
            table.push(cells);
        }
    }
    table
}

fn peer(ours: Rate, python: Option<Rate>) -> [String; 3] {
    let Some(python) = python else {
        return ["-".to_owned(), "-".to_owned(), "-".to_owned()];
    };
    [
        format!("{:.1}", python.items_per_s),
        format!("{:.2}", python.cpu_ms),
        format!("{:.2}", ours.items_per_s / python.items_per_s),
    ]
}

fn busy(speeds: &[Speed]) -> Vec<Vec<String>> {
    let head = [
        "person",
        "job",
        "batch",
        "threads",
        "p50 ms",
        "p99 ms",
        "longest ms",
        "batch of the job ms",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for busy in speeds.iter().map(|speed| &speed.busy) {
        table.push(vec![
            busy.query.clone(),
            busy.bulk.clone(),
            busy.batch.to_string(),
            busy.threads.to_string(),
            format!("{:.1}", busy.waits.p50_ms),
            format!("{:.1}", busy.waits.p99_ms),
            format!("{:.1}", busy.waits.max_ms),
            format!("{:.1}", busy.bulk_batch_ms),
        ]);
    }
    table
}

/// Columns of one width; numbers to the right.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:>width$}"))
            .collect();
        cells.join("  ")
    };
    rows.iter().map(line).collect()
}

fn figures(quality: &Quality) -> Vec<String> {
    let mut lines = Vec::new();
    if quality.unusable > 0 {
        lines.push(format!("unusable answers: {}", quality.unusable));
    }
    if let Some(zero) = &quality.zero_shot {
        lines.push(format!(
            "zero-shot accuracy: {} (always the most frequent of {} labels: {})",
            percent(zero.ranking.at1),
            zero.labels,
            percent(zero.majority)
        ));
    }
    let rankings = [
        ("text to picture", &quality.text_to_picture),
        ("picture to text", &quality.picture_to_text),
        ("picture to picture of the same label", &quality.neighbours),
        ("text to text of the same picture", &quality.text_to_text),
    ];
    for (name, ranking) in rankings {
        lines.extend(ranking.as_ref().map(|found| recall(name, found)));
    }
    if let Some(found) = &quality.detection {
        let figures = &found.quality;
        lines.push(format!(
            "detection: AP {:.3}, AP50 {:.3}, AP75 {:.3}, recall {:.3} over {} classes",
            figures.ap,
            figures.ap50,
            figures.ap75,
            figures.recall,
            figures.classes.len()
        ));
        if !found.unknown_labels.is_empty() {
            let names: Vec<&str> = found.unknown_labels.iter().map(String::as_str).collect();
            lines.push(format!(
                "  left out, unknown to the model: {}",
                names.join(", ")
            ));
        }
    }
    if let Some(said) = &quality.captions {
        lines.push(format!(
            "captions: BLEU-4 {:.3}, CIDEr-D {:.3}; always {:?}: {:.3}, {:.3}",
            said.quality.bleu4,
            said.quality.cider_d,
            said.most_frequent,
            said.trivial.bleu4,
            said.trivial.cider_d
        ));
    }
    if let Some(tags) = &quality.tags {
        lines.push(format!(
            "tags: precision {:.3}, recall {:.3}, F1 {:.3} (always the most frequent: {:.3}); surest tag right {} (most \
             frequent: {})",
            tags.precision,
            tags.recall,
            tags.f1,
            tags.trivial_f1,
            percent(tags.top1),
            percent(tags.trivial_top1)
        ));
    }
    if let Some(fit) = &quality.calibration {
        lines.push(format!(
            "calibration fitted to {} matching and {} other pairs; within 0.6 then {} and {}:",
            fit.matching,
            fit.others,
            percent(fit.matching_within),
            percent(fit.others_within)
        ));
        let mut section = String::from("[calibration]\n");
        // Writing to a string cannot fail.
        let _ = write!(section, "raw = {:?}\nshown = {:?}", fit.raw, fit.shown);
        lines.push(section);
    }
    if lines.is_empty() {
        lines.push("nothing is known of them that this family could be measured by".to_owned());
    }
    lines
}

fn recall(name: &str, found: &RankingQuality) -> String {
    format!(
        "{name}: recall@1 {}, @5 {}, @10 {} of {} (by chance {}, {}, {})",
        percent(found.at1),
        percent(found.at5),
        percent(found.at10),
        found.queries,
        percent(found.chance1),
        percent(found.chance5),
        percent(found.chance10)
    )
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
