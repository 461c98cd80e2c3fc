//! Colours, and the eight that have names.

use super::random::Random;

/// Red, green, blue, each 0..255; values outside are cut when the picture is finished.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour(pub [f32; 3]);

/// A colour of three whole numbers.
pub const fn rgb(red: u8, green: u8, blue: u8) -> Colour {
    Colour([red as f32, green as f32, blue as f32])
}

impl Colour {
    /// On the way to another colour: 0 is this one, 1 is the other.
    pub fn towards(self, other: Self, share: f32) -> Self {
        let share = share.clamp(0.0, 1.0);
        Self(
            [0, 1, 2].map(|channel| self.0[channel] + (other.0[channel] - self.0[channel]) * share),
        )
    }

    /// Times a factor: below 1 darker, above 1 lighter.
    pub fn times(self, factor: f32) -> Self {
        Self(self.0.map(|value| value * factor))
    }

    /// Plus the same amount in each channel.
    pub fn plus(self, amount: f32) -> Self {
        Self(self.0.map(|value| value + amount))
    }

    /// A colour near this one.
    pub fn near(self, random: &mut Random) -> Self {
        Self(self.0.map(|value| value + random.between(-12.0, 12.0)))
    }
}

/// A named colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// Red.
    Red,
    /// Orange.
    Orange,
    /// Yellow.
    Yellow,
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Purple.
    Purple,
    /// Black.
    Black,
    /// White.
    White,
}

impl Tint {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Blue,
        Self::Purple,
        Self::Black,
        Self::White,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Purple => "purple",
            Self::Black => "black",
            Self::White => "white",
        }
    }

    /// Its colour.
    pub const fn colour(self) -> Colour {
        match self {
            Self::Red => rgb(214, 40, 40),
            Self::Orange => rgb(242, 140, 30),
            Self::Yellow => rgb(246, 218, 50),
            Self::Green => rgb(46, 160, 67),
            Self::Blue => rgb(40, 90, 214),
            Self::Purple => rgb(136, 60, 180),
            Self::Black => rgb(25, 25, 28),
            Self::White => rgb(245, 245, 245),
        }
    }
}
