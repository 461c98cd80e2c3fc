//! What a drawn picture shows, and the drawing of it.

use super::canvas::{Canvas, Thing};
use super::palette::{Tint, rgb};
use super::places::{Ground, Hour, Place};
use super::random::Random;
use super::shapes::{Pattern, Shape, ShapePicture};
use super::subjects::Subject;
use crate::Picture;

/// What a drawn picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Plain shapes on a patterned ground.
    Shapes(ShapePicture),
    /// A thing in a landscape.
    Place(Place),
}

/// A picture that can be drawn at any size: the same seed gives the same picture on every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scene {
    /// What it shows.
    pub content: Content,
    seed: u64,
}

impl Scene {
    /// The scene with this number; every seed gives a different one.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let content = if random.chance(0.45) {
            Content::Shapes(shapes(random.pick(Shape::ALL), &mut random))
        } else {
            Content::Place(place(random.pick(Subject::ALL), &mut random))
        };
        Self { content, seed }
    }

    /// A scene of this shape, in a colour and on a ground chosen by the seed.
    pub fn of_shape(shape: Shape, seed: u64) -> Self {
        Self {
            content: Content::Shapes(shapes(shape, &mut Random::new(seed))),
            seed,
        }
    }

    /// A scene of this thing, at a place and an hour chosen by the seed.
    pub fn of_subject(subject: Subject, seed: u64) -> Self {
        Self {
            content: Content::Place(place(subject, &mut Random::new(seed))),
            seed,
        }
    }

    /// The same scene in full daylight.
    #[must_use]
    pub fn by_day(mut self) -> Self {
        if let Content::Place(place) = &mut self.content {
            place.hour = Hour::Day;
        }
        self
    }

    /// The name of what it shows: `star`, `boat`.
    pub const fn label(&self) -> &'static str {
        match self.content {
            Content::Shapes(picture) => picture.shape.name(),
            Content::Place(place) => place.subject.name(),
        }
    }

    /// A few words on what it shows: `red boat on the water at night`.
    pub fn title(&self) -> String {
        match self.content {
            Content::Shapes(ShapePicture {
                shape,
                tint,
                ground,
                pattern,
                count,
            }) => {
                let (number, plural) = match count {
                    1 => ("one", ""),
                    2 => ("two", "s"),
                    _ => ("three", "s"),
                };
                let (tint, ground) = (tint.name(), ground.name());
                let shapes = if shape == Shape::Cross && count > 1 {
                    "crosse"
                } else {
                    shape.name()
                };
                format!(
                    "{number} {tint} {shapes}{plural} on {} {ground}",
                    pattern.name()
                )
            }
            Content::Place(Place {
                subject,
                tint,
                ground,
                hour,
            }) => {
                let name = subject.name();
                match subject {
                    Subject::Mountains => format!("mountains {}", hour.name()),
                    Subject::Tree => format!("tree {} {}", ground.name(), hour.name()),
                    Subject::House
                    | Subject::Boat
                    | Subject::Car
                    | Subject::Flower
                    | Subject::Balloon => {
                        format!("{} {name} {} {}", tint.name(), ground.name(), hour.name())
                    }
                }
            }
        }
    }

    /// Draws the scene; sides of 0 count as 1.
    pub fn draw(&self, width: u32, height: u32) -> Picture {
        self.canvas(width, height).finish()
    }

    /// Draws the scene and tells what lies where in it.
    pub fn draw_with_things(&self, width: u32, height: u32) -> (Picture, Vec<Thing>) {
        let canvas = self.canvas(width, height);
        (canvas.finish(), canvas.things().to_vec())
    }

    fn canvas(&self, width: u32, height: u32) -> Canvas {
        let mut canvas = Canvas::new(width, height, rgb(128, 128, 128));
        let mut random = Random::new(self.seed ^ 0xD2A3);
        match self.content {
            Content::Shapes(picture) => picture.draw(&mut canvas, &mut random),
            Content::Place(place) => place.draw(&mut canvas, &mut random),
        }
        canvas
    }
}

fn shapes(shape: Shape, random: &mut Random) -> ShapePicture {
    let tint = random.pick(Tint::ALL);
    let ground = loop {
        let ground = random.pick(Tint::ALL);
        // Most of a picture on white is white, and then it counts as overexposed.
        if ground != tint && ground != Tint::White {
            break ground;
        }
    };
    ShapePicture {
        shape,
        tint,
        ground,
        pattern: random.pick(Pattern::ALL),
        count: random.pick([1, 1, 1, 2, 3]),
    }
}

fn place(subject: Subject, random: &mut Random) -> Place {
    let ground = match subject {
        Subject::Boat => Ground::Water,
        Subject::Car => Ground::Road,
        Subject::Flower => Ground::Grass,
        Subject::Mountains => random.pick([Ground::Grass, Ground::Snow, Ground::Water]),
        Subject::House | Subject::Tree | Subject::Balloon => {
            random.pick([Ground::Grass, Ground::Sand, Ground::Snow])
        }
    };
    let tint = match subject {
        Subject::Tree => Tint::Green,
        Subject::House
        | Subject::Boat
        | Subject::Car
        | Subject::Flower
        | Subject::Balloon
        | Subject::Mountains => random.pick([
            Tint::Red,
            Tint::Orange,
            Tint::Yellow,
            Tint::Blue,
            Tint::Purple,
            Tint::White,
        ]),
    };
    Place {
        subject,
        tint,
        ground,
        hour: random.pick([Hour::Day, Hour::Day, Hour::Sunset, Hour::Night]),
    }
}
