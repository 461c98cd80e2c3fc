//! The demo dataset.

use super::random::Random;
use super::scene::Scene;
use super::shapes::Shape;
use super::subjects::Subject;
use super::variant::{Variant, encode_jpeg, encode_png};
use crate::MediaError;

/// What is wrong with a demo picture, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A changed copy of another one.
    Copy,
    /// Out of focus.
    Blurred,
    /// Too little light.
    Dark,
    /// Overexposed.
    Bright,
}

/// One picture of the demo dataset, not yet drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoPicture {
    /// Unique within the dataset, with a fitting extension: `007-red-boat-on-the-water-at-night.jpg`.
    pub file_name: String,
    /// What it shows: `boat`, `star`.
    pub label: &'static str,
    /// What is wrong with it, if anything.
    pub flaw: Option<Flaw>,
    scene: Scene,
    size: (u32, u32),
    variant: Option<Variant>,
    quality: u8,
}

/// A quality above 100 stands for PNG.
const LOSSLESS: u8 = 101;

impl DemoPicture {
    /// Draws and encodes the picture; the same bytes on every run.
    ///
    /// # Errors
    /// Lack of memory or a bug.
    pub fn bytes(&self) -> Result<Vec<u8>, MediaError> {
        let picture = self.scene.draw(self.size.0, self.size.1);
        let picture = match self.variant {
            Some(variant) => variant.of(&picture)?,
            None => picture,
        };
        if self.quality == LOSSLESS {
            encode_png(&picture)
        } else {
            encode_jpeg(&picture, self.quality)
        }
    }
}

const SIZES: [(u32, u32); 6] = [
    (640, 480),
    (640, 427),
    (480, 640),
    (512, 512),
    (480, 360),
    (400, 320),
];

/// Scenes of each kind.
const PER_SHAPE: usize = 5;
const PER_SUBJECT: usize = 6;

#[derive(Clone, Copy)]
enum Kind {
    Shape(Shape),
    Subject(Subject),
}

impl Kind {
    fn scene(self, seed: u64) -> Scene {
        match self {
            Self::Shape(shape) => Scene::of_shape(shape, seed),
            Self::Subject(subject) => Scene::of_subject(subject, seed),
        }
    }
}

/// Copies: which picture of the collection, how it is changed, and the quality it is saved with; without either, the
/// two files are equal byte for byte.
const COPIES: [(usize, Option<Variant>, Option<u8>); 10] = [
    (3, None, None),
    (33, None, None),
    (36, None, Some(45)),
    (42, None, Some(60)),
    (47, Some(Variant::Resized(0.5)), Some(85)),
    (52, Some(Variant::Resized(0.75)), Some(85)),
    (58, Some(Variant::Brightened(1.12)), Some(88)),
    (64, Some(Variant::Cropped(0.03)), Some(88)),
    (69, Some(Variant::Brightened(0.9)), Some(88)),
    (12, Some(Variant::Resized(0.6)), Some(85)),
];

/// The demo dataset: 94 pictures, 240 to 640 pixels on the longer side, among them copies, blurred, dark and bright ones.
pub fn pictures() -> Vec<DemoPicture> {
    let mut all: Vec<DemoPicture> = Vec::new();
    let shapes = Shape::ALL
        .into_iter()
        .flat_map(|shape| [shape; PER_SHAPE])
        .map(Kind::Shape);
    let subjects = Subject::ALL
        .into_iter()
        .flat_map(|subject| [subject; PER_SUBJECT])
        .map(Kind::Subject);
    for (index, kind) in shapes.chain(subjects).enumerate() {
        let quality = if index % 11 == 5 { LOSSLESS } else { 90 };
        all.push(DemoPicture::of(
            index,
            kind.scene(1000 + index as u64),
            None,
            None,
            quality,
        ));
    }
    for (original, variant, quality) in COPIES {
        if let Some(copied) = all.get(original).cloned() {
            let quality = quality.unwrap_or(copied.quality);
            let file_name = file_name(all.len(), &copied.scene, Some(Flaw::Copy), quality);
            all.push(DemoPicture {
                file_name,
                flaw: Some(Flaw::Copy),
                variant,
                quality,
                ..copied
            });
        }
    }
    let flaws = [
        (
            Flaw::Blurred,
            [0.008, 0.011, 0.015, 0.02].map(Variant::Blurred),
        ),
        (Flaw::Dark, [0.1, 0.13, 0.16, 0.19].map(Variant::Brightened)),
        (Flaw::Bright, [0.72, 0.76, 0.8, 0.84].map(Variant::Washed)),
    ];
    for (flaw, variants) in flaws {
        for variant in variants {
            let index = all.len();
            let scene = Scene::of_subject(
                Subject::ALL[index % Subject::ALL.len()],
                3000 + index as u64,
            )
            .by_day();
            all.push(DemoPicture::of(index, scene, Some(flaw), Some(variant), 90));
        }
    }
    all
}

impl DemoPicture {
    fn of(
        index: usize,
        scene: Scene,
        flaw: Option<Flaw>,
        variant: Option<Variant>,
        quality: u8,
    ) -> Self {
        let size = Random::new(7000 + index as u64).pick(SIZES);
        let file_name = file_name(index, &scene, flaw, quality);
        Self {
            file_name,
            label: scene.label(),
            flaw,
            scene,
            size,
            variant,
            quality,
        }
    }
}

fn file_name(index: usize, scene: &Scene, flaw: Option<Flaw>, quality: u8) -> String {
    let note = match flaw {
        None => "",
        Some(Flaw::Copy) => "-copy",
        Some(Flaw::Blurred) => "-blurred",
        Some(Flaw::Dark) => "-dark",
        Some(Flaw::Bright) => "-bright",
    };
    let extension = if quality == LOSSLESS { "png" } else { "jpg" };
    format!(
        "{:03}-{}{note}.{extension}",
        index + 1,
        scene.title().replace(' ', "-")
    )
}
