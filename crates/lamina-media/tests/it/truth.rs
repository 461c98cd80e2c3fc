//! Pictures whose flaws are known because they were made.

#![expect(
    clippy::unwrap_used,
    reason = "a picture that was just made can be encoded and read"
)]

use image::RgbImage;
use lamina_media::demo::{Random, Scene, Shape, Subject, Variant, encode_jpeg, textures};
use lamina_media::{DecodeLimits, Measures, Picture, PictureFormat, decode, measure};

/// What was done to a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Nothing.
    Fine,
    /// Out of focus: a Gaussian of 2 to 5 pixels at 512 pixels of length.
    Soft,
    /// Far out of focus: 5 to 14 pixels.
    VerySoft,
    /// Moved by 12 to 28 pixels in any direction.
    Moved,
    /// 4 to 6.5 stops too little light.
    Dark,
    /// So much light that 50 to 90 % of the pixels are cut off at white.
    Bright,
    /// A veil: contrast reduced to 15-32 %, all of it near white.
    Washed,
}

impl Made {
    pub const ALL: [Self; 7] = [
        Self::Fine,
        Self::Soft,
        Self::VerySoft,
        Self::Moved,
        Self::Dark,
        Self::Bright,
        Self::Washed,
    ];

    pub fn is_blurred(self) -> bool {
        matches!(self, Self::Soft | Self::VerySoft | Self::Moved)
    }

    pub fn is_dark(self) -> bool {
        self == Self::Dark
    }

    pub fn is_bright(self) -> bool {
        matches!(self, Self::Bright | Self::Washed)
    }
}

/// Kinds of base pictures.
pub const KINDS: [&str; 5] = ["leaves", "land", "shapes", "flat", "scenes"];

const SIZES: [(u32, u32); 6] = [
    (256, 192),
    (320, 240),
    (500, 375),
    (640, 480),
    (480, 640),
    (900, 600),
];

/// The base picture of a kind with this number. One that is nearly white or nearly black as it is drawn, a red star on
/// white, is passed over for the next: nobody could say whether it is overexposed.
pub fn base(kind: &str, number: u64) -> Picture {
    (0..)
        .map(|attempt| drawn(kind, number + attempt * 1000))
        .find(|picture| {
            let mut lows: Vec<u8> = picture
                .pixels()
                .as_chunks::<3>()
                .0
                .iter()
                .map(|[r, g, b]| *r.min(g).min(b))
                .collect();
            let mut highs: Vec<u8> = picture
                .pixels()
                .as_chunks::<3>()
                .0
                .iter()
                .map(|[r, g, b]| *r.max(g).max(b))
                .collect();
            lows.sort_unstable();
            highs.sort_unstable();
            lows[lows.len() / 2] < 185 && highs[highs.len() * 9 / 10] > 110
        })
        .unwrap()
}

fn drawn(kind: &str, number: u64) -> Picture {
    let mut random = Random::new(number);
    let (width, height) = random.pick(SIZES);
    match kind {
        "leaves" => textures::leaves(number, width, height),
        "land" => textures::land(number, width, height),
        "shapes" => Scene::of_shape(random.pick(Shape::ALL), number).draw(width, height),
        "flat" => logo(&mut random, width, height),
        _ => Scene::of_subject(random.pick(Subject::ALL), number)
            .by_day()
            .draw(width, height),
    }
}

/// One plain shape on a plain ground, nothing else: sharp, and almost without texture.
fn logo(random: &mut Random, width: u32, height: u32) -> Picture {
    let ground = [0; 3].map(|_| random.between(20.0, 230.0) as u8);
    let ink = ground.map(|value| {
        if value > 127 {
            value - 110
        } else {
            value + 110
        }
    });
    let (x, y) = (
        width as f32 * random.between(0.35, 0.65),
        height as f32 * random.between(0.35, 0.65),
    );
    let radius = width.min(height) as f32 * random.between(0.12, 0.3);
    let mut rgb = Vec::with_capacity((width * height * 3) as usize);
    for row in 0..height {
        for column in 0..width {
            let far = (column as f32 + 0.5 - x).hypot(row as f32 + 0.5 - y);
            let share = (radius - far + 0.5).clamp(0.0, 1.0);
            rgb.extend([0, 1, 2].map(|n| {
                (f32::from(ground[n]) + (f32::from(ink[n]) - f32::from(ground[n])) * share).round()
                    as u8
            }));
        }
    }
    Picture::from_rgb(PictureFormat::Png, width, height, rgb).unwrap()
}

/// Does to a picture what `made` says, and saves and reads it as a JPEG, as pictures are found.
pub fn make(picture: &Picture, made: Made, number: u64) -> Picture {
    let mut random = Random::new(number ^ 0xF1A3);
    let changed = match made {
        Made::Fine => picture.clone(),
        Made::Soft => Variant::Blurred(random.between(2.0, 5.0) / 512.0)
            .of(picture)
            .unwrap(),
        Made::VerySoft => Variant::Blurred(random.between(5.0, 14.0) / 512.0)
            .of(picture)
            .unwrap(),
        Made::Moved => moved(
            picture,
            random.between(12.0, 28.0) / 512.0,
            random.between(0.0, std::f32::consts::PI),
        ),
        Made::Dark => exposed(picture, (-random.between(4.0, 6.5)).exp2()),
        Made::Bright => exposed(picture, gain_to_clip(picture, random.between(0.5, 0.9))),
        Made::Washed => Variant::Washed(1.0 - random.between(0.15, 0.32))
            .of(picture)
            .unwrap(),
    };
    let quality = random.between(70.0, 95.0) as u8;
    decode(
        &encode_jpeg(&changed, quality).unwrap(),
        &DecodeLimits::default(),
    )
    .unwrap()
}

/// Averages along a line of this length, as a share of the longest side.
fn moved(picture: &Picture, length: f32, angle: f32) -> Picture {
    let (width, height) = picture.pixel_size();
    let reach = length * width.max(height) as f32;
    let steps = reach.ceil() as i64;
    let source = RgbImage::from_raw(width, height, picture.pixels().to_vec()).unwrap();
    let mut rgb = Vec::with_capacity(picture.pixels().len());
    let offsets: Vec<(i64, i64)> = (0..=steps)
        .map(|step| (step as f32 / steps as f32 - 0.5) * reach)
        .map(|along| {
            (
                (along * angle.cos()).round() as i64,
                (along * angle.sin()).round() as i64,
            )
        })
        .collect();
    for y in 0..i64::from(height) {
        for x in 0..i64::from(width) {
            let mut sums = [0_u32; 3];
            for (dx, dy) in &offsets {
                let (px, py) = (
                    (x + dx).clamp(0, i64::from(width) - 1),
                    (y + dy).clamp(0, i64::from(height) - 1),
                );
                let pixel = source.get_pixel(px as u32, py as u32);
                (0..3).for_each(|n| sums[n] += u32::from(pixel[n]));
            }
            rgb.extend(sums.map(|sum| (sum / offsets.len() as u32) as u8));
        }
    }
    Picture::from_rgb(picture.format, width, height, rgb).unwrap()
}

fn to_linear(value: f32) -> f32 {
    if value <= 0.040_45 {
        value / 12.92
    } else {
        ((value + 0.055) / 1.055).powf(2.4)
    }
}

fn to_srgb(light: f32) -> f32 {
    if light <= 0.003_130_8 {
        light * 12.92
    } else {
        1.055 * light.min(1.0).powf(1.0 / 2.4) - 0.055
    }
}

/// The picture with this many times the light.
fn exposed(picture: &Picture, gain: f32) -> Picture {
    let table: Vec<u8> = (0..256)
        .map(|value| (to_srgb(to_linear(value as f32 / 255.0) * gain) * 255.0).round() as u8)
        .collect();
    let (width, height) = picture.pixel_size();
    let rgb = picture
        .pixels()
        .iter()
        .map(|value| table[usize::from(*value)])
        .collect();
    Picture::from_rgb(picture.format, width, height, rgb).unwrap()
}

/// The gain at which this share of the pixels is white.
fn gain_to_clip(picture: &Picture, share: f32) -> f32 {
    let mut light: Vec<f32> = picture
        .pixels()
        .as_chunks::<3>()
        .0
        .iter()
        .map(|[r, g, b]| to_linear(f32::from(*r.min(g).min(b)) / 255.0))
        .collect();
    light.sort_unstable_by(f32::total_cmp);
    1.0 / light[((1.0 - share) * (light.len() - 1) as f32) as usize].max(0.002)
}

/// Right and wrong answers to one question.
#[derive(Debug, Default, Clone, Copy)]
pub struct Score {
    pub hits: u32,
    pub misses: u32,
    pub false_alarms: u32,
    pub rest: u32,
}

impl Score {
    pub fn count(&mut self, is_so: bool, is_flagged: bool) {
        match (is_so, is_flagged) {
            (true, true) => self.hits += 1,
            (true, false) => self.misses += 1,
            (false, true) => self.false_alarms += 1,
            (false, false) => self.rest += 1,
        }
    }

    pub fn f1(&self) -> f32 {
        2.0 * self.hits as f32 / (2 * self.hits + self.misses + self.false_alarms).max(1) as f32
    }
}

/// Blur, dark, bright.
#[derive(Debug, Default, Clone, Copy)]
pub struct Scores(pub [Score; 3]);

impl Scores {
    pub fn count(&mut self, made: Made, measures: &Measures) {
        let confidences = [
            measures.blur_confidence,
            measures.dark_confidence,
            measures.bright_confidence,
        ];
        let truths = [made.is_blurred(), made.is_dark(), made.is_bright()];
        for ((score, confidence), truth) in self.0.iter_mut().zip(confidences).zip(truths) {
            score.count(truth, confidence >= 0.5);
        }
    }
}

/// Every kind, every flaw, this many of each.
pub fn run(per_kind: u64, mut seen: impl FnMut(&str, u64, Made, &Measures)) -> Scores {
    let mut scores = Scores::default();
    for kind in KINDS {
        for number in 0..per_kind {
            let base = base(kind, number * 31 + 7);
            for made in Made::ALL {
                let measures = measure(&make(&base, made, number));
                scores.count(made, &measures);
                seen(kind, number, made, &measures);
            }
        }
    }
    scores
}
