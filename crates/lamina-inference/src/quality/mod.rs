//! How good the answers of a model are, measured against labelled pictures.

mod captions;
mod detection;

pub use captions::{CaptionPair, CaptionQuality, caption_quality};
pub use detection::{
    DetectionQuality, FoundObject, LabelledPicture, TrueObject, detection_quality,
};
