//! Folders of good and bad files with known counts.

use std::path::Path;

use lamina_media::demo::{Scene, encode_jpeg, encode_png};

/// Writes `good` different pictures and `bad` files that are none, under names that mix; the same on every run.
///
/// # Errors
/// The folder cannot be written.
pub fn write_mixed(folder: &Path, good: usize, bad: usize) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder)?;
    for number in 0..good {
        fs_err::write(
            folder.join(format!("{:04}-good.jpg", number * 7 % 10_000)),
            picture(number as u64)?,
        )?;
    }
    for number in 0..bad {
        fs_err::write(
            folder.join(format!("{:04}-bad.jpg", number * 13 % 10_000)),
            not_a_picture(number)?,
        )?;
    }
    Ok(())
}

/// A JPEG of a scene, 320 x 240.
///
/// # Errors
/// Lack of memory.
pub fn picture(seed: u64) -> anyhow::Result<Vec<u8>> {
    Ok(encode_jpeg(&Scene::new(seed).draw(320, 240), 85)?)
}

/// Bytes that look like a picture at first and are none: five kinds in turn.
fn not_a_picture(number: usize) -> anyhow::Result<Vec<u8>> {
    let png = encode_png(&Scene::new(number as u64).draw(64, 64))?;
    Ok(match number % 5 {
        0 => Vec::new(),
        1 => format!("<html>{number}</html>").into_bytes(),
        2 => png[..png.len() / 2].to_vec(),
        3 => [&png[..8], format!("garbage {number}").as_bytes()].concat(),
        _ => format!("plain text {number}").into_bytes(),
    })
}
