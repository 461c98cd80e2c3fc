//! Writes drawn scenes with their truth, for training: `cargo run --example scenes -- FOLDER FIRST COUNT`.
//!
//! `scenes.tsv` has a line a picture: file, label, title, then `name tint left top right bottom` of each thing (fractions
//! of width and height, `-` where a thing has no named colour), tab-separated.

use std::fmt::Write as _;
use std::path::PathBuf;

use lamina_media::demo::{Random, Scene, Variant, encode_jpeg};

/// Width and height of the pictures.
const SIZES: [(u32, u32); 5] = [(320, 240), (320, 214), (240, 320), (288, 288), (320, 256)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let usage = "give a folder, the first number and how many";
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().ok_or(usage)?);
    let first: u64 = words.next().ok_or(usage)?.parse()?;
    let count: u64 = words.next().ok_or(usage)?.parse()?;
    fs_err::create_dir_all(&folder)?;
    let mut truth = String::new();
    for number in first..first + count {
        let mut random = Random::new(number ^ 0x5CE1E);
        let (width, height) = random.pick(SIZES);
        let scene = Scene::new(number);
        let (picture, things) = scene.draw_with_things(width, height);
        // Some as the flawed pictures of the demo dataset are: out of focus, too dark, too bright. Boxes stay true.
        let picture = match random.below(10) {
            0 => Variant::Blurred(random.between(0.004, 0.016)).of(&picture)?,
            1 => Variant::Brightened(random.between(0.12, 0.5)).of(&picture)?,
            2 => Variant::Washed(random.between(0.3, 0.8)).of(&picture)?,
            _ => picture,
        };
        let file = format!("{number:06}.jpg");
        fs_err::write(folder.join(&file), encode_jpeg(&picture, 88)?)?;
        write!(truth, "{file}\t{}\t{}", scene.label(), scene.title())?;
        for thing in things {
            let tint = thing.tint.map_or("-", |tint| tint.name());
            let [left, top, right, bottom] = thing.bounds;
            write!(
                truth,
                "\t{} {tint} {left:.4} {top:.4} {right:.4} {bottom:.4}",
                thing.name
            )?;
        }
        truth.push('\n');
    }
    fs_err::write(folder.join("scenes.tsv"), truth)?;
    Ok(())
}
