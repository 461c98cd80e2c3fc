//! Originals, and the copies that collections have of them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use lamina_media::demo::{Scene, Variant, encode_jpeg};
use lamina_media::{DecodeLimits, Picture, decode};

/// A copy: its name, the change of its pixels and the quality it is saved with.
type Copy = (&'static str, Option<Variant>, u8);

/// The original first, as it is saved; a copy byte for byte is the same file twice.
pub const COPIES: [Copy; 9] = [
    ("original", None, ORIGINAL_QUALITY),
    ("exact", None, ORIGINAL_QUALITY),
    ("recompressed at 60", None, 60),
    ("three quarters in size", Some(Variant::Resized(0.75)), 85),
    ("half in size", Some(Variant::Resized(0.5)), 85),
    ("brighter by 12 %", Some(Variant::Brightened(1.12)), 88),
    ("cropped by 2 %", Some(Variant::Cropped(0.02)), 88),
    ("cropped by 4 %", Some(Variant::Cropped(0.04)), 88),
    ("lightly blurred", Some(Variant::Blurred(LIGHT_BLUR)), 88),
];

const ORIGINAL_QUALITY: u8 = 90;

/// One pixel of 640.
const LIGHT_BLUR: f32 = 1.0 / 640.0;

/// Sizes of drawn originals.
const SIZES: [(u32, u32); 3] = [(640, 480), (480, 640), (640, 427)];

/// Seeds far from those that starter models were trained on, which are numbered from 0.
const FIRST_SEED: u64 = 7_000_000;

/// Which picture a file is of.
pub struct Origin {
    /// Number of the original.
    pub number: usize,
    /// Place in [`COPIES`].
    pub copy: usize,
}

/// Where originals come from.
pub enum Originals {
    /// Drawn scenes, this many.
    Drawn(usize),
    /// Files, and the longest side to reduce them to.
    Files(Vec<PathBuf>, u32),
}

impl Originals {
    /// The pictures of a folder, by name, or drawn ones; `at_most` of them.
    ///
    /// # Errors
    /// The folder cannot be read or has no files.
    pub fn open(folder: Option<&Path>, at_most: usize, side: u32) -> anyhow::Result<Self> {
        let Some(folder) = folder else {
            return Ok(Self::Drawn(at_most));
        };
        let mut files: Vec<PathBuf> = fs_err::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<_>>()?;
        files.retain(|path| path.is_file());
        files.sort();
        files.truncate(at_most);
        anyhow::ensure!(!files.is_empty(), "{} has no files", folder.display());
        Ok(Self::Files(files, side))
    }

    pub fn count(&self) -> usize {
        match self {
            Self::Drawn(count) => *count,
            Self::Files(files, _) => files.len(),
        }
    }

    /// An original and all its copies as files, each with its place in [`COPIES`].
    ///
    /// # Errors
    /// A file that is no picture, or lack of memory.
    pub fn with_copies(&self, number: usize) -> anyhow::Result<Vec<(usize, Vec<u8>)>> {
        let picture = self.picture(number)?;
        let copied = |(_, variant, quality): Copy| {
            let changed = match variant {
                Some(variant) => variant.of(&picture)?,
                None => picture.clone(),
            };
            encode_jpeg(&changed, quality)
        };
        let all = COPIES.into_iter().enumerate();
        all.map(|(place, copy)| Ok((place, copied(copy)?)))
            .collect()
    }

    fn picture(&self, number: usize) -> anyhow::Result<Picture> {
        match self {
            Self::Drawn(_) => {
                let (width, height) = SIZES[number % SIZES.len()];
                Ok(Scene::new(FIRST_SEED + number as u64).draw(width, height))
            }
            Self::Files(files, side) => {
                let path = files.get(number).context("no such original")?;
                let bytes = fs_err::read(path)?;
                let picture = decode(&bytes, &DecodeLimits::default())
                    .map_err(|rejection| anyhow::anyhow!("{}: {rejection}", path.display()))?;
                let (width, height) = picture.pixel_size();
                let factor = *side as f32 / width.max(height) as f32;
                Ok(if factor < 1.0 {
                    Variant::Resized(factor).of(&picture)?
                } else {
                    picture
                })
            }
        }
    }
}
