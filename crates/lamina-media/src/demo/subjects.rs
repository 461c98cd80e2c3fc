//! The things that stand in a scene.

use super::canvas::{Canvas, Figure, Point};
use super::palette::{Colour, rgb};

/// A thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// With a roof, a door and two windows.
    House,
    /// A round crown on a trunk.
    Tree,
    /// A hull with a mast and a sail.
    Boat,
    /// Seen from the side.
    Car,
    /// Petals round a middle.
    Flower,
    /// With a basket.
    Balloon,
    /// Part of the landscape: drawn by the scene itself.
    Mountains,
}

/// How a colour looks at this hour.
pub(super) type Light<'a> = &'a dyn Fn(Colour) -> Colour;

impl Subject {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::House,
        Self::Tree,
        Self::Boat,
        Self::Car,
        Self::Flower,
        Self::Balloon,
        Self::Mountains,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::House => "house",
            Self::Tree => "tree",
            Self::Boat => "boat",
            Self::Car => "car",
            Self::Flower => "flower",
            Self::Balloon => "balloon",
            Self::Mountains => "mountains",
        }
    }

    /// Draws it with its foot at `at`, about `2 * size` high.
    pub(super) fn draw(
        self,
        canvas: &mut Canvas,
        at: Point,
        size: f32,
        colour: Colour,
        light: Light<'_>,
        is_night: bool,
    ) {
        let brush = Brush {
            x: at.0,
            y: at.1,
            size,
            light,
        };
        match self {
            Self::House => house(canvas, &brush, colour, is_night),
            Self::Tree => tree(canvas, &brush, colour),
            Self::Boat => boat(canvas, &brush, colour),
            Self::Car => car(canvas, &brush, colour, is_night),
            Self::Flower => flower(canvas, &brush, colour),
            Self::Balloon => balloon(canvas, &brush, colour),
            Self::Mountains => {}
        }
    }
}

/// Places relative to the foot of the thing, in units of its size; up is negative.
struct Brush<'a> {
    x: f32,
    y: f32,
    size: f32,
    light: Light<'a>,
}

impl Brush<'_> {
    fn at(&self, across: f32, down: f32) -> Point {
        (self.x + across * self.size, self.y + down * self.size)
    }

    fn polygon(&self, points: &[Point]) -> Figure {
        Figure::Polygon(
            points
                .iter()
                .map(|(across, down)| self.at(*across, *down))
                .collect(),
        )
    }

    fn boxed(&self, left: f32, top: f32, right: f32, bottom: f32, round: f32) -> Figure {
        Figure::Box {
            from: self.at(left, top),
            to: self.at(right, bottom),
            round: round * self.size,
        }
    }

    fn oval(&self, across: f32, down: f32, wide: f32, tall: f32) -> Figure {
        Figure::Ellipse {
            centre: self.at(across, down),
            radii: (wide * self.size, tall * self.size),
        }
    }

    fn shadow(&self, canvas: &mut Canvas, wide: f32) {
        canvas.paint(&self.oval(0.12, 0.02, wide, 0.1), 0.35, |_, _| {
            Colour([10.0, 14.0, 20.0])
        });
    }
}

fn house(canvas: &mut Canvas, brush: &Brush<'_>, colour: Colour, is_night: bool) {
    let light = brush.light;
    brush.shadow(canvas, 1.35);
    canvas.fade(
        &brush.boxed(-1.0, -1.15, 1.0, 0.0, 0.0),
        light(colour.plus(12.0)),
        light(colour.times(0.86)),
    );
    canvas.fill(
        &brush.boxed(0.5, -2.0, 0.75, -1.3, 0.0),
        light(rgb(128, 84, 70)),
    );
    let roof = light(colour.times(0.55));
    canvas.fade(
        &brush.polygon(&[(-1.28, -1.12), (1.28, -1.12), (0.0, -2.05)]),
        roof.plus(14.0),
        roof,
    );
    canvas.fill(
        &brush.boxed(-0.21, -0.66, 0.21, 0.0, 0.03),
        light(rgb(94, 62, 42)),
    );
    canvas.fill(
        &brush.oval(0.12, -0.32, 0.035, 0.035),
        light(rgb(230, 200, 110)),
    );
    let glass = if is_night {
        rgb(255, 226, 130)
    } else {
        light(rgb(196, 224, 244))
    };
    for side in [-0.62, 0.62] {
        canvas.fill(
            &brush.boxed(side - 0.24, -0.92, side + 0.24, -0.46, 0.03),
            light(rgb(250, 248, 240)),
        );
        canvas.fill(
            &brush.boxed(side - 0.19, -0.87, side + 0.19, -0.51, 0.0),
            glass,
        );
        canvas.fill(
            &brush.boxed(side - 0.02, -0.87, side + 0.02, -0.51, 0.0),
            light(rgb(250, 248, 240)),
        );
        canvas.fill(
            &brush.boxed(side - 0.19, -0.71, side + 0.19, -0.67, 0.0),
            light(rgb(250, 248, 240)),
        );
    }
}

fn tree(canvas: &mut Canvas, brush: &Brush<'_>, colour: Colour) {
    let light = brush.light;
    brush.shadow(canvas, 0.85);
    canvas.fill(
        &brush.polygon(&[(-0.17, 0.0), (0.17, 0.0), (0.1, -1.2), (-0.1, -1.2)]),
        light(rgb(108, 74, 46)),
    );
    let leaves = [
        (0.0, -1.72, 0.76),
        (-0.52, -1.32, 0.6),
        (0.52, -1.32, 0.6),
        (0.0, -1.2, 0.62),
    ];
    for (across, down, radius) in leaves {
        canvas.fill(
            &brush.oval(across, down, radius, radius),
            light(colour.times(0.86)),
        );
    }
    for (across, down, radius) in [
        (-0.16, -1.9, 0.46),
        (-0.62, -1.45, 0.34),
        (0.4, -1.5, 0.34),
        (0.02, -1.35, 0.3),
    ] {
        canvas.fill(
            &brush.oval(across, down, radius, radius),
            light(colour.plus(14.0)),
        );
    }
}

fn boat(canvas: &mut Canvas, brush: &Brush<'_>, colour: Colour) {
    let light = brush.light;
    canvas.paint(&brush.oval(0.0, 0.08, 1.25, 0.16), 0.4, |_, _| {
        Colour([12.0, 30.0, 60.0])
    });
    canvas.fill(
        &brush.boxed(-0.05, -2.25, 0.05, -0.45, 0.0),
        light(rgb(98, 68, 46)),
    );
    canvas.fade(
        &brush.polygon(&[(0.1, -2.15), (0.1, -0.66), (1.12, -0.66)]),
        light(rgb(252, 252, 248)),
        light(rgb(222, 224, 230)),
    );
    canvas.fill(
        &brush.polygon(&[(-0.1, -1.95), (-0.1, -0.66), (-0.78, -0.66)]),
        light(rgb(236, 234, 228)),
    );
    canvas.fill(
        &brush.polygon(&[(0.0, -2.25), (0.0, -2.05), (0.34, -2.15)]),
        light(colour),
    );
    let hull = [(-1.35, -0.52), (1.4, -0.52), (0.85, 0.04), (-0.9, 0.04)];
    canvas.fade(
        &brush.polygon(&hull),
        light(colour.plus(10.0)),
        light(colour.times(0.72)),
    );
    canvas.fill(
        &brush.polygon(&[(-1.35, -0.52), (1.4, -0.52), (1.32, -0.42), (-1.25, -0.42)]),
        light(rgb(248, 244, 236)),
    );
}

fn car(canvas: &mut Canvas, brush: &Brush<'_>, colour: Colour, is_night: bool) {
    let light = brush.light;
    canvas.paint(&brush.oval(0.0, 0.1, 1.6, 0.12), 0.5, |_, _| {
        Colour([10.0; 3])
    });
    canvas.fill(
        &brush.polygon(&[(-1.02, -0.78), (-0.62, -1.38), (0.52, -1.38), (1.02, -0.78)]),
        light(colour.times(0.94)),
    );
    canvas.fade(
        &brush.boxed(-1.52, -0.86, 1.52, -0.16, 0.2),
        light(colour.plus(16.0)),
        light(colour.times(0.76)),
    );
    let glass = light(rgb(190, 220, 240));
    canvas.fill(
        &brush.polygon(&[
            (-0.8, -0.82),
            (-0.52, -1.26),
            (-0.08, -1.26),
            (-0.08, -0.82),
        ]),
        glass,
    );
    canvas.fill(
        &brush.polygon(&[(0.02, -0.82), (0.02, -1.26), (0.44, -1.26), (0.76, -0.82)]),
        glass,
    );
    let lamp = if is_night {
        rgb(255, 240, 170)
    } else {
        rgb(250, 236, 190)
    };
    canvas.fill(&brush.oval(1.42, -0.6, 0.1, 0.1), lamp);
    canvas.fill(&brush.oval(-1.44, -0.6, 0.08, 0.1), light(rgb(220, 40, 40)));
    canvas.fill(
        &brush.boxed(0.1, -0.66, 0.3, -0.61, 0.02),
        light(rgb(230, 230, 230)),
    );
    for side in [-0.9, 0.9] {
        canvas.fill(&brush.oval(side, -0.18, 0.34, 0.34), light(rgb(34, 34, 38)));
        canvas.fill(
            &brush.oval(side, -0.18, 0.18, 0.18),
            light(rgb(186, 188, 194)),
        );
        canvas.fill(&brush.oval(side, -0.18, 0.06, 0.06), light(rgb(80, 80, 86)));
    }
}

fn flower(canvas: &mut Canvas, brush: &Brush<'_>, colour: Colour) {
    let light = brush.light;
    let stem = light(rgb(46, 134, 56));
    canvas.fill(
        &brush.polygon(&[(-0.05, 0.0), (0.05, 0.0), (0.04, -1.6), (-0.04, -1.6)]),
        stem,
    );
    canvas.fill(&brush.oval(0.3, -0.6, 0.3, 0.13), stem.plus(10.0));
    canvas.fill(&brush.oval(-0.28, -0.85, 0.26, 0.11), stem);
    for petal in 0..8 {
        let (sine, cosine) = (petal as f32 * std::f32::consts::FRAC_PI_4).sin_cos();
        let shade = if petal % 2 == 0 {
            colour
        } else {
            colour.times(0.88)
        };
        canvas.fill(
            &brush.oval(cosine * 0.5, -1.7 + sine * 0.5, 0.3, 0.3),
            light(shade),
        );
    }
    canvas.fade(
        &brush.oval(0.0, -1.7, 0.32, 0.32),
        light(rgb(248, 212, 84)),
        light(rgb(206, 150, 40)),
    );
}

fn balloon(canvas: &mut Canvas, brush: &Brush<'_>, colour: Colour) {
    let light = brush.light;
    let rope = light(rgb(70, 56, 44));
    canvas.fill(
        &brush.polygon(&[(-0.5, -0.75), (-0.46, -0.75), (-0.2, 0.12), (-0.24, 0.12)]),
        rope,
    );
    canvas.fill(
        &brush.polygon(&[(0.46, -0.75), (0.5, -0.75), (0.24, 0.12), (0.2, 0.12)]),
        rope,
    );
    let silk = |colour: Colour| light(colour);
    canvas.fill(
        &brush.polygon(&[(-0.84, -1.3), (0.84, -1.3), (0.3, -0.45), (-0.3, -0.45)]),
        silk(colour.times(0.82)),
    );
    canvas.fade(
        &brush.oval(0.0, -1.75, 1.0, 1.0),
        silk(colour.plus(22.0)),
        silk(colour.times(0.8)),
    );
    canvas.fade(
        &brush.oval(0.0, -1.75, 0.5, 1.0),
        silk(rgb(250, 246, 232)),
        silk(rgb(214, 206, 190)),
    );
    canvas.fade(
        &brush.oval(0.0, -1.75, 0.2, 1.0),
        silk(colour.plus(10.0)),
        silk(colour.times(0.84)),
    );
    canvas.fade(
        &brush.boxed(-0.28, 0.1, 0.28, 0.44, 0.06),
        light(rgb(160, 112, 66)),
        light(rgb(116, 78, 44)),
    );
}
