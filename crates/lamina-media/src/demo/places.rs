//! Simple scenes: a sky, a ground, and one thing on it, by day, at sunset or by night.

use super::canvas::{Canvas, Figure};
use super::palette::{Colour, Tint, rgb};
use super::random::{Random, noise};
use super::subjects::Subject;

/// The hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hour {
    /// Full light.
    Day,
    /// A low sun and a red sky.
    Sunset,
    /// Moon and stars.
    Night,
}

impl Hour {
    /// As a file is named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Day => "by day",
            Self::Sunset => "at sunset",
            Self::Night => "at night",
        }
    }

    fn sky(self) -> (Colour, Colour) {
        match self {
            Self::Day => (rgb(92, 166, 232), rgb(206, 230, 246)),
            Self::Sunset => (rgb(92, 84, 150), rgb(252, 176, 98)),
            Self::Night => (rgb(14, 18, 48), rgb(48, 58, 104)),
        }
    }

    /// The colour of a lit thing at this hour.
    fn light(self, colour: Colour) -> Colour {
        match self {
            Self::Day => colour,
            Self::Sunset => colour.times(0.86).towards(rgb(250, 140, 70), 0.16),
            Self::Night => colour.times(0.5).towards(rgb(24, 30, 70), 0.25),
        }
    }
}

/// What the thing stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// A meadow.
    Grass,
    /// A beach or a desert.
    Sand,
    /// Snow.
    Snow,
    /// A sea or lake.
    Water,
    /// A road through a meadow.
    Road,
}

impl Ground {
    /// As a file is named.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grass => "in a meadow",
            Self::Sand => "on sand",
            Self::Snow => "in the snow",
            Self::Water => "on the water",
            Self::Road => "on a road",
        }
    }

    fn colours(self) -> (Colour, Colour) {
        match self {
            Self::Grass | Self::Road => (rgb(126, 186, 96), rgb(66, 132, 56)),
            Self::Sand => (rgb(238, 216, 158), rgb(210, 176, 108)),
            Self::Snow => (rgb(192, 212, 238), rgb(158, 184, 222)),
            Self::Water => (rgb(110, 168, 214), rgb(32, 84, 150)),
        }
    }
}

/// A drawn scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The thing.
    pub subject: Subject,
    /// Its colour, where it can have one.
    pub tint: Tint,
    /// The ground.
    pub ground: Ground,
    /// The hour.
    pub hour: Hour,
}

impl Place {
    pub(super) fn draw(&self, canvas: &mut Canvas, random: &mut Random) {
        let (width, height) = (canvas.width(), canvas.height());
        let unit = width.min(height);
        let horizon = height * random.between(0.5, 0.64);
        self.sky(canvas, horizon, random);
        if self.subject == Subject::Mountains {
            canvas.thing(self.subject.name(), None, |canvas| {
                self.mountains(canvas, horizon, random);
            });
        } else if random.chance(0.6) {
            self.hills(canvas, horizon, random);
        }
        self.lay_ground(canvas, horizon, random);
        let foot = height * random.between(0.82, 0.9);
        if self.ground == Ground::Road {
            self.road(canvas, foot, unit);
        }
        let x = width * random.between(0.34, 0.66);
        let size = unit * random.between(0.13, 0.18);
        let lit = |colour: Colour| self.hour.light(colour);
        if matches!(
            self.subject,
            Subject::House | Subject::Car | Subject::Flower
        ) && random.chance(0.5)
        {
            let side = if x < width / 2.0 { 1.0 } else { -1.0 };
            let at = (x + side * width * 0.3, horizon + height * 0.05);
            canvas.thing(Subject::Tree.name(), Some(Tint::Green), |canvas| {
                let green = Tint::Green.colour();
                Subject::Tree.draw(canvas, at, size * 0.62, green, &lit, false);
            });
        }
        let is_night = self.hour == Hour::Night;
        let mut stand = |at: (f32, f32), size: f32, colour: Colour| {
            canvas.thing(self.subject.name(), Some(self.tint), |canvas| {
                self.subject.draw(canvas, at, size, colour, &lit, is_night);
            });
        };
        match self.subject {
            Subject::Mountains => {}
            Subject::Balloon => {
                let high = (horizon * random.between(0.7, 0.9)).max(size * 3.0);
                stand((x, high), size, self.tint.colour());
            }
            Subject::Flower => {
                for (shift, scale) in [(-1.7, 0.75), (1.6, 0.8), (0.0, 1.0)] {
                    let at = (x + shift * size, foot - (1.0 - scale) * size * 0.6);
                    stand(at, size * scale, self.tint.colour().near(random));
                }
            }
            Subject::House | Subject::Tree | Subject::Boat | Subject::Car => {
                stand((x, foot), size, self.tint.colour());
            }
        }
    }

    fn sky(&self, canvas: &mut Canvas, horizon: f32, random: &mut Random) {
        let (width, height) = (canvas.width(), canvas.height());
        let unit = width.min(height);
        let (top, bottom) = self.hour.sky();
        let seed = random.below(1 << 30) as u64;
        let clouds = random.between(0.0, 0.75);
        let cloud = match self.hour {
            Hour::Day => rgb(252, 252, 254),
            Hour::Sunset => rgb(255, 206, 160),
            Hour::Night => rgb(70, 80, 120),
        };
        canvas.each(|x, y, _| {
            let clear = top.towards(bottom, y / horizon);
            let veil = noise(seed, x / unit * 2.2, y / unit * 6.0, 5) * 1.6 + clouds - 0.55;
            clear.towards(cloud, veil.clamp(0.0, 0.8))
        });
        if self.hour == Hour::Night {
            for _ in 0..random.below(50) + 30 {
                let (x, y) = (
                    random.between(0.0, width),
                    random.between(0.0, horizon * 0.95),
                );
                let bright = random.between(0.5, 1.0);
                canvas.fill(
                    &Figure::disc(x, y, unit * random.between(0.001, 0.0028)),
                    rgb(255, 252, 226).times(bright),
                );
            }
        }
        let x = width * random.pick([0.16, 0.84]);
        let (y, radius, disc) = match self.hour {
            Hour::Day => (
                height * random.between(0.12, 0.2),
                unit * 0.075,
                rgb(255, 224, 84),
            ),
            Hour::Sunset => (horizon - unit * 0.05, unit * 0.1, rgb(255, 196, 92)),
            Hour::Night => (
                height * random.between(0.13, 0.22),
                unit * 0.07,
                rgb(244, 242, 224),
            ),
        };
        canvas.each(|px, py, colour| {
            let far = (px - x).hypot(py - y) / radius;
            colour.towards(disc, 0.55 / (1.0 + (far * 0.7).powi(2)))
        });
        let name = if self.hour == Hour::Night {
            "moon"
        } else {
            "sun"
        };
        canvas.thing(name, None, |canvas| {
            canvas.fill(&Figure::disc(x, y, radius), disc);
        });
        if self.hour == Hour::Night {
            for (dx, dy, r) in [(-0.3, -0.2, 0.2), (0.25, 0.3, 0.15), (0.2, -0.35, 0.11)] {
                canvas.fill(
                    &Figure::disc(x + dx * radius, y + dy * radius, r * radius),
                    disc.times(0.9),
                );
            }
        }
    }

    fn mountains(&self, canvas: &mut Canvas, horizon: f32, random: &mut Random) {
        let (width, unit) = (canvas.width(), canvas.width().min(canvas.height()));
        let rock = self
            .hour
            .light(self.tint.colour().towards(rgb(104, 108, 128), 0.75));
        let snow = self.hour.light(rgb(248, 250, 254));
        let seed = random.below(1 << 30) as u64;
        for (across, tall, shade) in [
            (0.16, 0.3, 1.12),
            (0.84, 0.34, 1.08),
            (0.36, 0.4, 0.98),
            (0.64, 0.48, 0.9),
        ] {
            let (x, peak) = (
                width * (across + random.between(-0.04, 0.04)),
                unit * (tall + random.between(-0.04, 0.04)),
            );
            let top = horizon - peak;
            let half = peak * random.between(0.8, 1.05);
            let figure = Figure::Polygon(vec![
                (x - half, horizon + 4.0),
                (x, top),
                (x + half, horizon + 4.0),
            ]);
            canvas.paint(&figure, 1.0, |px, py| {
                let rough = noise(seed, px / unit * 14.0, py / unit * 14.0, 4);
                let is_lit = px + rough * unit * 0.03 < x;
                let base = if py < top + peak * (0.3 + 0.09 * rough) {
                    snow
                } else {
                    rock.times(shade)
                };
                base.times(if is_lit { 1.08 } else { 0.86 })
                    .plus(rough * 9.0)
            });
        }
    }

    fn hills(&self, canvas: &mut Canvas, horizon: f32, random: &mut Random) {
        let (width, unit) = (canvas.width(), canvas.width().min(canvas.height()));
        let (far, _) = self.ground.colours();
        let (_, haze) = self.hour.sky();
        for layer in 0..2 {
            let colour = self
                .hour
                .light(far.times(0.72))
                .towards(haze, 0.62 - 0.25 * layer as f32);
            let seed = random.below(1 << 30) as u64;
            let lift = unit * (0.13 - 0.05 * layer as f32);
            let mut outline = vec![(width + 2.0, horizon + 4.0), (-2.0, horizon + 4.0)];
            outline.extend((0..=48).map(|step| {
                let x = width * step as f32 / 48.0;
                (
                    x,
                    horizon - lift * (0.55 + 0.6 * noise(seed, x / unit * 2.4, 0.5, 3)),
                )
            }));
            canvas.fill(&Figure::Polygon(outline), colour);
        }
    }

    fn lay_ground(&self, canvas: &mut Canvas, horizon: f32, random: &mut Random) {
        let (width, height) = (canvas.width(), canvas.height());
        let unit = width.min(height);
        let (far, close) = self.ground.colours();
        let (far, close) = (self.hour.light(far), self.hour.light(close));
        let (_, haze) = self.hour.sky();
        let seed = random.below(1 << 30) as u64;
        let ground = self.ground;
        canvas.paint(
            &Figure::rectangle(-1.0, horizon, width + 1.0, height + 1.0),
            1.0,
            |x, y| {
                let depth = ((y - horizon) / (height - horizon)).clamp(0.0, 1.0);
                let base = far.towards(close, depth);
                // Details grow towards the viewer.
                let (across, down) = (x / unit / (0.25 + depth), y / unit / (0.25 + depth));
                match ground {
                    Ground::Water => {
                        let wave = noise(seed, across * 5.0, down * 26.0, 4);
                        base.towards(haze, (wave - 0.15).clamp(0.0, 0.6) * 1.4)
                            .plus(wave * 10.0)
                    }
                    Ground::Grass | Ground::Road => {
                        base.plus(26.0 * noise(seed, across * 34.0, down * 11.0, 4))
                    }
                    Ground::Sand => base.plus(15.0 * noise(seed, across * 7.0, down * 20.0, 5)),
                    Ground::Snow => base.plus(9.0 * noise(seed, across * 3.0, down * 8.0, 5)),
                }
            },
        );
    }

    fn road(&self, canvas: &mut Canvas, foot: f32, unit: f32) {
        let width = canvas.width();
        let tar = self.hour.light(rgb(84, 84, 90));
        let line = self.hour.light(rgb(240, 238, 222));
        canvas.fade(
            &Figure::rectangle(-1.0, foot - unit * 0.1, width + 1.0, foot + unit * 0.09),
            tar.plus(10.0),
            tar,
        );
        canvas.fill(
            &Figure::rectangle(-1.0, foot - unit * 0.1, width + 1.0, foot - unit * 0.092),
            line,
        );
        canvas.fill(
            &Figure::rectangle(-1.0, foot + unit * 0.08, width + 1.0, foot + unit * 0.09),
            line,
        );
        let mut x = -unit * 0.03;
        while x < width {
            canvas.fill(
                &Figure::rectangle(x, foot + unit * 0.022, x + unit * 0.1, foot + unit * 0.034),
                line,
            );
            x += unit * 0.19;
        }
    }
}
