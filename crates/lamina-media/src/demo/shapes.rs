//! Pictures of plain shapes on a patterned ground.

use super::canvas::{Canvas, Figure, Point};
use super::palette::{Colour, Tint};
use super::random::{Random, noise};

/// A plain shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A disc.
    Circle,
    /// A square, a little turned.
    Square,
    /// A triangle, point up.
    Triangle,
    /// A star of five points.
    Star,
    /// A ring.
    Ring,
    /// An upright cross.
    Cross,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Circle,
        Self::Square,
        Self::Triangle,
        Self::Star,
        Self::Ring,
        Self::Cross,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Square => "square",
            Self::Triangle => "triangle",
            Self::Star => "star",
            Self::Ring => "ring",
            Self::Cross => "cross",
        }
    }

    fn figures(self, centre: Point, radius: f32, lean: f32) -> Vec<Figure> {
        let (x, y) = centre;
        let up = -std::f32::consts::FRAC_PI_2;
        match self {
            Self::Circle => vec![Figure::disc(x, y, radius)],
            Self::Square => vec![Figure::corners(
                centre,
                &[radius * 1.2; 4],
                std::f32::consts::FRAC_PI_4 + lean,
            )],
            Self::Triangle => vec![Figure::corners(centre, &[radius * 1.15; 3], up + lean)],
            Self::Star => {
                let radii: Vec<f32> = (0..10)
                    .map(|n| radius * if n % 2 == 0 { 1.15 } else { 0.48 })
                    .collect();
                vec![Figure::corners(centre, &radii, up + lean)]
            }
            Self::Ring => vec![Figure::Ring {
                centre,
                outer: radius,
                inner: radius * 0.62,
            }],
            Self::Cross => {
                let arm = radius * 0.36;
                vec![
                    Figure::rectangle(x - arm, y - radius, x + arm, y + radius),
                    Figure::rectangle(x - radius, y - arm, x + radius, y + arm),
                ]
            }
        }
    }
}

/// What is behind the shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// One colour.
    Plain,
    /// From light to dark.
    Gradient,
    /// Stripes.
    Striped,
    /// A chess board.
    Checked,
    /// Dots in rows.
    Dotted,
    /// Paper, cloth or stone.
    Grained,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Plain,
        Self::Gradient,
        Self::Striped,
        Self::Checked,
        Self::Dotted,
        Self::Grained,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gradient => "gradient",
            Self::Striped => "striped",
            Self::Checked => "checked",
            Self::Dotted => "dotted",
            Self::Grained => "grained",
        }
    }
}

/// One to three shapes of one kind and colour on a ground of another colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapePicture {
    /// The shape.
    pub shape: Shape,
    /// Its colour.
    pub tint: Tint,
    /// The colour of the ground.
    pub ground: Tint,
    /// The pattern of the ground.
    pub pattern: Pattern,
    /// How many, 1 to 3.
    pub count: u8,
}

impl ShapePicture {
    pub(super) fn draw(&self, canvas: &mut Canvas, random: &mut Random) {
        let (width, height) = (canvas.width(), canvas.height());
        let unit = width.min(height);
        ground(
            canvas,
            self.pattern,
            self.ground.colour().near(random),
            random,
        );
        let colour = self.tint.colour().near(random);
        let middles: &[(f32, f32)] = match self.count {
            1 => &[(0.5, 0.5)],
            2 => &[(0.3, 0.42), (0.7, 0.58)],
            _ => &[(0.22, 0.38), (0.5, 0.66), (0.78, 0.36)],
        };
        let radius = unit
            * if self.count == 1 {
                random.between(0.2, 0.32)
            } else {
                random.between(0.13, 0.18)
            };
        for (across, down) in middles {
            let centre = (
                width * (across + random.between(-0.04, 0.04)),
                height * (down + random.between(-0.04, 0.04)),
            );
            let lean = random.between(-0.15, 0.15);
            let shadow = (centre.0 + unit * 0.012, centre.1 + unit * 0.018);
            for figure in self.shape.figures(shadow, radius, lean) {
                canvas.paint(&figure, 0.28, |_, _| Colour([0.0; 3]));
            }
            canvas.thing(self.shape.name(), Some(self.tint), |canvas| {
                for figure in self.shape.figures(centre, radius, lean) {
                    // Lit from above: a little lighter at the top.
                    canvas.paint(&figure, 1.0, |_, y| {
                        colour.plus(16.0 * (centre.1 - y) / radius)
                    });
                }
            });
        }
    }
}

fn ground(canvas: &mut Canvas, pattern: Pattern, base: Colour, random: &mut Random) {
    let unit = canvas.width().min(canvas.height());
    let (width, height) = (canvas.width(), canvas.height());
    let brightness = base.0.iter().sum::<f32>() / 3.0;
    let other = if brightness > 90.0 {
        base.times(0.74)
    } else {
        base.plus(45.0)
    };
    let turn = random.pick([
        0.0,
        std::f32::consts::FRAC_PI_2,
        std::f32::consts::FRAC_PI_4,
    ]);
    let cells = random.between(5.0, 11.0);
    let upright = random.chance(0.5);
    let seed = random.below(1 << 30) as u64;
    canvas.each(|x, y, _| {
        let (across, down) = (x / unit, y / unit);
        let share = match pattern {
            Pattern::Plain => 0.0,
            Pattern::Gradient => {
                if upright {
                    y / height
                } else {
                    x / width
                }
            }
            Pattern::Striped => {
                let wave = ((across * turn.cos() + down * turn.sin()) * cells * 4.5).sin();
                (wave * 6.0 + 0.5).clamp(0.0, 1.0)
            }
            Pattern::Checked => f32::from(u8::from(
                ((across * cells) as u32 + (down * cells) as u32) % 2 == 1,
            )),
            Pattern::Dotted => {
                let from_middle =
                    ((across * cells).fract() - 0.5).hypot((down * cells).fract() - 0.5);
                ((0.28 - from_middle) * 30.0).clamp(0.0, 1.0)
            }
            Pattern::Grained => 0.5 + 0.6 * noise(seed, across * 9.0, down * 9.0, 5),
        };
        base.towards(other, share)
            .plus(3.5 * noise(seed ^ 1, x * 0.7, y * 0.7, 1))
    });
}
