//! How good the answers of a model are, measured against labelled pictures.

mod detection;

pub use detection::{
    DetectionQuality, FoundObject, LabelledPicture, TrueObject, detection_quality,
};
