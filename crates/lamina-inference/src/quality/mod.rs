//! How good the answers of a model are, measured against labelled pictures.

mod captions;
mod detection;
mod ranking;
mod tags;

pub use captions::{CaptionPair, CaptionQuality, caption_quality};
pub use detection::{
    DetectionQuality, FoundObject, LabelledPicture, TrueObject, detection_quality,
};
pub use ranking::{RankingQuality, ranking_quality};
pub use tags::{TagQuality, TaggedPicture, tag_quality};
