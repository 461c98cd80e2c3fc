//! Pictures with the statistics of photos rather than their looks: edges and detail at every scale, for measures whose
//! thresholds must hold on both.

use super::canvas::{Canvas, Figure};
use super::palette::Colour;
use super::random::{Random, noise};
use crate::Picture;

/// Overlapping figures of all sizes with grain, after the dead-leaves model of natural pictures (Lee, Mumford and Huang
/// 2001): radii by a power law, each hiding what lies below.
pub fn leaves(seed: u64, width: u32, height: u32) -> Picture {
    let mut random = Random::new(seed);
    let mut canvas = Canvas::new(width, height, Colour([random.between(60.0, 180.0); 3]));
    let (wide, tall) = (canvas.width(), canvas.height());
    let longest = wide.max(tall);
    let (low, high) = (random.between(5.0, 60.0), random.between(170.0, 250.0));
    for _ in 0..420 {
        let radius = longest * (0.014 / (random.between(0.0, 1.0).sqrt() + 0.02)).min(0.25);
        let (x, y) = (random.between(0.0, wide), random.between(0.0, tall));
        let colour = Colour([0; 3].map(|_| random.between(low, high)));
        let turn = random.between(0.0, std::f32::consts::TAU);
        let figure = match random.below(3) {
            0 => Figure::disc(x, y, radius),
            1 => Figure::corners((x, y), &[radius; 4], turn),
            _ => Figure::corners((x, y), &[radius * 1.2, radius * 0.8, radius], turn),
        };
        canvas.fill(&figure, colour);
    }
    grain(&mut canvas, seed, random.between(6.0, 24.0));
    canvas.finish()
}

/// A soft sky over rough land: half of the picture is smooth although nothing is out of focus.
pub fn land(seed: u64, width: u32, height: u32) -> Picture {
    let mut random = Random::new(seed);
    let mut colour =
        |low: [f32; 3], high: [f32; 3]| Colour([0, 1, 2].map(|n| random.between(low[n], high[n])));
    let sky = colour([110.0, 160.0, 200.0], [190.0, 220.0, 255.0]);
    let soil = colour([40.0, 60.0, 20.0], [140.0, 150.0, 90.0]);
    let mut canvas = Canvas::new(width, height, sky);
    let (wide, tall) = (canvas.width(), canvas.height());
    let (horizon, rough) = (random.between(0.35, 0.65), random.between(25.0, 60.0));
    canvas.each(|x, y, _| {
        let (across, down) = (x / wide, y / tall);
        if down > horizon + 0.1 * noise(seed, across * 3.0, 0.5, 6) {
            let blades = 0.5 * noise(seed ^ 4, across * 220.0, down * 220.0, 3);
            soil.plus(rough * (blades + noise(seed ^ 2, across * 24.0, down * 24.0, 6)))
        } else {
            sky.plus(30.0 * (horizon - down) + 14.0 * noise(seed ^ 3, across * 3.0, down * 3.0, 4))
        }
    });
    canvas.finish()
}

fn grain(canvas: &mut Canvas, seed: u64, strength: f32) {
    let unit = canvas.width().max(canvas.height());
    canvas.each(|x, y, colour| {
        colour.plus(strength * noise(seed ^ 1, x / unit * 20.0, y / unit * 20.0, 6))
    });
}
