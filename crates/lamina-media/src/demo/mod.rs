//! Pictures that Lamina draws itself: the demo dataset of the first run, and test data with known truth.
//!
//! Plain shapes in named colours on patterned grounds, and simple scenes (house, tree, boat, car, flowers, balloon,
//! mountains; by day, at sunset, by night). Drawn, not photographed, so that nobody else's picture is needed to show
//! what the product does; chosen from the vocabulary that the starter model was trained on.

mod canvas;
mod collection;
mod palette;
mod places;
mod random;
mod scene;
mod shapes;
mod subjects;
pub mod textures;
mod variant;

pub use canvas::Thing;
pub use collection::{DemoPicture, Flaw, pictures};
pub use palette::Tint;
pub use places::{Ground, Hour, Place};
pub use random::Random;
pub use scene::{Content, Scene};
pub use shapes::{Pattern, Shape, ShapePicture};
pub use subjects::Subject;
pub use variant::{Variant, encode_jpeg, encode_png};
