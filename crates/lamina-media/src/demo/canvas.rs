//! Something to draw on: figures with smooth edges in floating-point colours.

use super::palette::{Colour, Tint};
use crate::{Picture, PictureFormat};

/// A point, in pixels from the top left.
pub type Point = (f32, f32);

/// What can be filled. Lengths in pixels.
#[derive(Debug, Clone)]
pub enum Figure {
    /// An upright ellipse.
    Ellipse {
        /// Its centre.
        centre: Point,
        /// Half its width and height.
        radii: (f32, f32),
    },
    /// A ring.
    Ring {
        /// Its centre.
        centre: Point,
        /// Radius of the outer edge.
        outer: f32,
        /// Radius of the hole.
        inner: f32,
    },
    /// A box, its corners rounded.
    Box {
        /// The upper left corner.
        from: Point,
        /// The lower right corner.
        to: Point,
        /// Radius of the corners.
        round: f32,
    },
    /// A closed polygon.
    Polygon(Vec<Point>),
}

impl Figure {
    /// A disc.
    pub const fn disc(x: f32, y: f32, radius: f32) -> Self {
        Self::Ellipse {
            centre: (x, y),
            radii: (radius, radius),
        }
    }

    /// A box with sharp corners.
    pub const fn rectangle(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self::Box {
            from: (left, top),
            to: (right, bottom),
            round: 0.0,
        }
    }

    /// Corners at the given radii, evenly spaced in angle, the first one at `turn` radians.
    pub fn corners((x, y): Point, radii: &[f32], turn: f32) -> Self {
        let step = std::f32::consts::TAU / radii.len() as f32;
        let corner = |(index, radius): (usize, &f32)| {
            let (sine, cosine) = (turn + index as f32 * step).sin_cos();
            (x + radius * cosine, y + radius * sine)
        };
        Self::Polygon(radii.iter().enumerate().map(corner).collect())
    }

    fn contains(&self, x: f32, y: f32) -> bool {
        match self {
            Self::Ellipse { centre, radii } => {
                ((x - centre.0) / radii.0).powi(2) + ((y - centre.1) / radii.1).powi(2) <= 1.0
            }
            Self::Ring {
                centre,
                outer,
                inner,
            } => {
                let square = (x - centre.0).powi(2) + (y - centre.1).powi(2);
                square <= outer * outer && square >= inner * inner
            }
            Self::Box { from, to, round } => {
                let beyond = |value: f32, low: f32, high: f32| {
                    (low + round - value).max(value - high + round)
                };
                let (across, down) = (beyond(x, from.0, to.0), beyond(y, from.1, to.1));
                across <= *round && down <= *round && across.max(0.0).hypot(down.max(0.0)) <= *round
            }
            Self::Polygon(points) => {
                // A ray to the right crosses the outline an odd number of times from inside.
                let mut is_inside = false;
                let Some(mut last) = points.last().copied() else {
                    return false;
                };
                for &point in points {
                    let crosses = (point.1 > y) != (last.1 > y);
                    if crosses
                        && x < (last.0 - point.0) * (y - point.1) / (last.1 - point.1) + point.0
                    {
                        is_inside = !is_inside;
                    }
                    last = point;
                }
                is_inside
            }
        }
    }

    /// Left, top, right, bottom.
    fn bounds(&self) -> [f32; 4] {
        match self {
            Self::Ellipse {
                centre: (x, y),
                radii: (across, down),
            } => [x - across, y - down, x + across, y + down],
            Self::Ring {
                centre: (x, y),
                outer,
                ..
            } => [x - outer, y - outer, x + outer, y + outer],
            Self::Box { from, to, .. } => [from.0, from.1, to.0, to.1],
            Self::Polygon(points) => points.iter().fold(
                [f32::MAX, f32::MAX, f32::MIN, f32::MIN],
                |bounds, (x, y)| {
                    [
                        bounds[0].min(*x),
                        bounds[1].min(*y),
                        bounds[2].max(*x),
                        bounds[3].max(*y),
                    ]
                },
            ),
        }
    }
}

/// Samples across a pixel on the edge of a figure, in each direction.
const EDGE_SAMPLES: usize = 4;

/// A thing in a drawn picture, and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    /// What it is: `boat`, `star`, `moon`.
    pub name: &'static str,
    /// The name of its colour, where it has one.
    pub tint: Option<Tint>,
    /// Left, top, right, bottom as fractions of the picture's width and height, 0..=1; shadows do not count.
    pub bounds: [f32; 4],
}

/// Bounds of nothing, to be widened.
const NOTHING: [f32; 4] = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];

/// A picture being drawn.
#[derive(Debug, Clone)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
    things: Vec<Thing>,
    /// What has been painted of the thing that is being drawn, in pixels.
    open: Option<[f32; 4]>,
}

impl Canvas {
    /// A canvas filled with one colour.
    pub fn new(width: u32, height: u32, colour: Colour) -> Self {
        let (width, height) = (width.max(1) as usize, height.max(1) as usize);
        Self {
            width,
            height,
            pixels: vec![colour; width * height],
            things: Vec::new(),
            open: None,
        }
    }

    /// Draws a thing and remembers where it came to lie.
    pub fn thing(&mut self, name: &'static str, tint: Option<Tint>, draw: impl FnOnce(&mut Self)) {
        self.open = Some(NOTHING);
        draw(self);
        let [left, top, right, bottom] = self.open.take().unwrap_or(NOTHING);
        let across = |x: f32| (x / self.width()).clamp(0.0, 1.0);
        let down = |y: f32| (y / self.height()).clamp(0.0, 1.0);
        let bounds = [across(left), down(top), across(right), down(bottom)];
        if bounds[0] < bounds[2] && bounds[1] < bounds[3] {
            self.things.push(Thing { name, tint, bounds });
        }
    }

    /// The things that were drawn, in the order of drawing.
    pub fn things(&self) -> &[Thing] {
        &self.things
    }

    /// In pixels.
    pub fn width(&self) -> f32 {
        self.width as f32
    }

    /// In pixels.
    pub fn height(&self) -> f32 {
        self.height as f32
    }

    /// Rewrites every pixel from its place and its colour.
    pub fn each(&mut self, colour: impl Fn(f32, f32, Colour) -> Colour) {
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            *pixel = colour(
                (index % self.width) as f32,
                (index / self.width) as f32,
                *pixel,
            );
        }
    }

    /// Fills a figure with one colour.
    pub fn fill(&mut self, figure: &Figure, colour: Colour) {
        self.paint(figure, 1.0, |_, _| colour);
    }

    /// Fills a figure from `top` to `bottom`.
    pub fn fade(&mut self, figure: &Figure, top: Colour, bottom: Colour) {
        let [_, first, _, last] = figure.bounds();
        self.paint(figure, 1.0, |_, y| {
            top.towards(bottom, (y - first) / (last - first).max(1.0))
        });
    }

    /// Fills a figure with a colour that depends on the place; `opacity` is 0..1.
    pub fn paint(&mut self, figure: &Figure, opacity: f32, colour: impl Fn(f32, f32) -> Colour) {
        let [left, top, right, bottom] = figure.bounds();
        if let Some(open) = self.open.as_mut().filter(|_| opacity >= 1.0) {
            *open = [
                open[0].min(left),
                open[1].min(top),
                open[2].max(right),
                open[3].max(bottom),
            ];
        }
        let clip = |value: f32, limit: usize| (value.max(0.0) as usize).min(limit);
        let (first_row, last_row) = (
            clip(top.floor(), self.height),
            clip(bottom.ceil() + 1.0, self.height),
        );
        let (first, last) = (
            clip(left.floor(), self.width),
            clip(right.ceil() + 1.0, self.width),
        );
        for row in first_row..last_row {
            for column in first..last {
                let (x, y) = (column as f32, row as f32);
                let cover = coverage(figure, x, y);
                if cover > 0.0 {
                    let pixel = &mut self.pixels[row * self.width + column];
                    *pixel = pixel.towards(colour(x, y), cover * opacity);
                }
            }
        }
    }

    /// The finished picture.
    pub fn finish(&self) -> Picture {
        let rgb = self
            .pixels
            .iter()
            .flat_map(|colour| colour.0.map(|value| value.round().clamp(0.0, 255.0) as u8));
        Picture::of_pixels(
            PictureFormat::Png,
            (self.width as u32, self.height as u32),
            rgb.collect(),
        )
    }
}

/// How much of the pixel at `x, y` lies inside. Where its corners agree, only they are asked.
fn coverage(figure: &Figure, x: f32, y: f32) -> f32 {
    let corners = [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)];
    let inside = corners
        .iter()
        .filter(|(dx, dy)| figure.contains(x + dx, y + dy))
        .count();
    if inside == 0 || inside == corners.len() {
        return if inside == 0 { 0.0 } else { 1.0 };
    }
    let at = |step: usize| (step as f32 + 0.5) / EDGE_SAMPLES as f32;
    let hits = (0..EDGE_SAMPLES * EDGE_SAMPLES)
        .filter(|step| figure.contains(x + at(step % EDGE_SAMPLES), y + at(step / EDGE_SAMPLES)))
        .count();
    hits as f32 / (EDGE_SAMPLES * EDGE_SAMPLES) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::palette::rgb;

    #[test]
    fn a_disc_covers_its_area() {
        let mut canvas = Canvas::new(100, 80, rgb(0, 0, 0));
        canvas.fill(&Figure::disc(50.0, 40.0, 30.0), rgb(255, 255, 255));
        let area: f32 = canvas.pixels.iter().map(|colour| colour.0[0] / 255.0).sum();
        assert!((area - std::f32::consts::PI * 900.0).abs() < 10.0, "{area}");
    }

    #[test]
    fn a_thing_lies_where_it_was_painted_without_its_shadow() {
        let mut canvas = Canvas::new(100, 50, rgb(0, 0, 0));
        canvas.thing("disc", None, |canvas| {
            canvas.paint(&Figure::disc(80.0, 40.0, 30.0), 0.3, |_, _| rgb(9, 9, 9));
            canvas.fill(&Figure::disc(20.0, 20.0, 10.0), rgb(255, 255, 255));
            canvas.fill(&Figure::disc(40.0, 20.0, 5.0), rgb(255, 255, 255));
        });
        canvas.fill(&Figure::disc(90.0, 20.0, 10.0), rgb(255, 255, 255));
        assert_eq!(canvas.things().len(), 1);
        assert_eq!(canvas.things()[0].bounds, [0.1, 0.2, 0.45, 0.6]);
    }

    #[test]
    fn figures_beyond_the_edge_are_clipped() {
        let mut canvas = Canvas::new(10, 10, rgb(0, 0, 0));
        canvas.fill(
            &Figure::rectangle(-50.0, -50.0, 5.0, 500.0),
            rgb(255, 255, 255),
        );
        canvas.fill(&Figure::disc(500.0, 500.0, 3.0), rgb(255, 255, 255));
        let lit = canvas
            .pixels
            .iter()
            .filter(|colour| colour.0[0] > 0.0)
            .count();
        assert_eq!(lit, 50);
    }
}
