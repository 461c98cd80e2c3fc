//! The pictures of the benches: a 0.3-megapixel mix in which every twentieth is 1920 x 1080.

use std::path::Path;

use lamina_media::demo::{Scene, encode_jpeg};

/// One picture in so many is a large one.
const LARGE_EVERY: usize = 20;

/// Quality of the JPEGs, as cameras and sites use it.
const QUALITY: u8 = 85;

/// The JPEG with this number; every number gives a different one.
///
/// # Errors
/// Lack of memory.
pub fn picture(number: usize) -> anyhow::Result<Vec<u8>> {
    let (width, height) = match number % LARGE_EVERY {
        0 => (1920, 1080),
        n if n % 3 == 0 => (480, 640),
        n if n % 3 == 1 => (640, 480),
        _ => (500, 375),
    };
    Ok(encode_jpeg(
        &Scene::new(number as u64).draw(width, height),
        QUALITY,
    )?)
}

/// Writes the first `count` pictures into a folder.
///
/// # Errors
/// The folder cannot be written.
pub fn write(folder: &Path, count: usize) -> anyhow::Result<()> {
    fs_err::create_dir_all(folder)?;
    for number in 0..count {
        fs_err::write(folder.join(format!("{number:06}.jpg")), picture(number)?)?;
    }
    Ok(())
}
