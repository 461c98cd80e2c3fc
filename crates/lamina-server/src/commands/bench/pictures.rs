//! The pictures of the benches: a 0.3-megapixel mix in which every twentieth is 1920 x 1080.
//!
//! Drawing takes longer than all that is measured, so a few scenes are drawn large and each picture is a window of one:
//! no two are the same bytes.

use std::path::Path;

use lamina_media::Picture;
use lamina_media::demo::{Scene, encode_jpeg};
use lamina_types::BoundingBox;

/// One picture in so many is a large one.
const LARGE_EVERY: usize = 20;

/// Scenes drawn for ordinary and for large pictures.
const SCENES: (usize, usize) = (60, 12);

/// Pixels by which a scene is larger than the window, each way.
const ROOM: u32 = 40;

/// Quality of the JPEGs, as cameras and sites use it.
const QUALITY: u8 = 85;

/// Makes the pictures.
pub struct Pictures {
    ordinary: Vec<Picture>,
    large: Vec<Picture>,
}

impl Pictures {
    /// Draws the scenes; a few seconds.
    pub fn draw() -> Self {
        let scene = |seed: usize, width: u32, height: u32| {
            Scene::new(seed as u64).draw(width + ROOM, height + ROOM)
        };
        Self {
            ordinary: (0..SCENES.0).map(|seed| scene(seed, 640, 640)).collect(),
            large: (0..SCENES.1)
                .map(|seed| scene(seed + SCENES.0, 1920, 1080))
                .collect(),
        }
    }

    /// The JPEG with this number.
    ///
    /// # Errors
    /// Lack of memory.
    pub fn jpeg(&self, number: usize) -> anyhow::Result<Vec<u8>> {
        let (scenes, width, height) = match number % LARGE_EVERY {
            0 => (&self.large, 1920, 1080),
            n if n % 3 == 0 => (&self.ordinary, 480, 640),
            n if n % 3 == 1 => (&self.ordinary, 640, 480),
            _ => (&self.ordinary, 500, 375),
        };
        let turn = (number / scenes.len()) as u32;
        let scene = &scenes[number % scenes.len()];
        let (left, top) = (turn % ROOM, turn / ROOM % ROOM);
        let window = [left, top, width, height].map(f64::from);
        let region = BoundingBox::from_pixels(window, scene.width, scene.height)?;
        Ok(encode_jpeg(&scene.crop(&region), QUALITY)?)
    }

    /// Writes the first `count` pictures into a folder.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path, count: usize) -> anyhow::Result<()> {
        fs_err::create_dir_all(folder)?;
        for number in 0..count {
            fs_err::write(folder.join(format!("{number:06}.jpg")), self.jpeg(number)?)?;
        }
        Ok(())
    }
}
