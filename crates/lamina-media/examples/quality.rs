//! How well the quality measures do: F1 on generated pictures with known flaws, and the share of flagged pictures in
//! folders of photos. `cargo run --release --example quality -- [PER_KIND] [FOLDER..]`

#![expect(clippy::print_stdout, reason = "printing is what this is for")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lamina_media::{DecodeLimits, Measures, decode, measure};

#[path = "../tests/it/truth.rs"]
mod truth;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let per_kind = arguments.next().map_or(Ok(40), |text| text.parse())?;
    let mut values: BTreeMap<String, [Vec<f32>; 3]> = BTreeMap::new();
    let mut wrong: BTreeMap<String, [u32; 3]> = BTreeMap::new();
    let scores = truth::run(per_kind, |kind, _, made, measures| {
        let key = format!("{kind:7} {made:?}");
        note(values.entry(key.clone()).or_default(), measures);
        let truths = [made.is_blurred(), made.is_dark(), made.is_bright()];
        for ((count, flag), truth) in wrong
            .entry(key)
            .or_default()
            .iter_mut()
            .zip(flags(measures))
            .zip(truths)
        {
            *count += u32::from(flag != truth);
        }
    });
    for (name, score) in ["blur", "dark", "bright"].into_iter().zip(scores.0) {
        println!("{name}: F1 {:.3} {score:?}", score.f1());
    }
    for (key, values) in &mut values {
        println!("{key:18} wrong {:?}  {}", wrong[key], spread(values));
    }
    for folder in arguments {
        let (mut all, mut count, mut flagged, mut any) = (<[Vec<f32>; 3]>::default(), 0, [0; 3], 0);
        let mut files = Vec::new();
        list(Path::new(&folder), &mut files)?;
        files.sort();
        for file in files {
            let Ok(picture) = decode(&fs_err::read(&file)?, &DecodeLimits::default()) else {
                continue;
            };
            let measures = measure(&picture);
            note(&mut all, &measures);
            count += 1;
            any += u32::from(flags(&measures).contains(&true));
            (0..3).for_each(|n| flagged[n] += u32::from(flags(&measures)[n]));
            if flags(&measures).contains(&true) {
                println!(
                    "  {} {measures:?}",
                    file.file_name().unwrap_or_default().display()
                );
            }
        }
        println!(
            "{folder}: {count} photos, flagged blur/dark/bright {flagged:?}, any {any}; {}",
            spread(&mut all)
        );
    }
    Ok(())
}

fn flags(measures: &Measures) -> [bool; 3] {
    [
        measures.blur_confidence,
        measures.dark_confidence,
        measures.bright_confidence,
    ]
    .map(|value| value >= 0.5)
}

fn note(into: &mut [Vec<f32>; 3], measures: &Measures) {
    for (values, value) in
        into.iter_mut()
            .zip([measures.sharpness, measures.luma_high, measures.luma_low])
    {
        values.push(value);
    }
}

fn spread(values: &mut [Vec<f32>; 3]) -> String {
    let mut text = String::new();
    for (name, values) in ["sharpness", "high", "low"].into_iter().zip(values) {
        values.sort_unstable_by(f32::total_cmp);
        let at = |share: f32| values[((values.len() - 1) as f32 * share) as usize];
        text += &format!(
            "{name} {:.2} {:.2} {:.2} {:.2} {:.2}  ",
            at(0.0),
            at(0.03),
            at(0.5),
            at(0.97),
            at(1.0)
        );
    }
    text
}

fn list(folder: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, into)?
        } else {
            into.push(path)
        }
    }
    Ok(())
}
