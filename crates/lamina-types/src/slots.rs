//! Enrichment types and slots (contract 23): what the API lets people apply, and by which id it calls each model.
//!
//! A slot is a name; which package answers to it is a binding, kept elsewhere.

use crate::{EntityType, text_enum};

text_enum!(
    /// What an enrichment adds, spelt as on the wire.
    EnrichmentType, "enrichment type", {
        /// A sentence about each picture.
        CaptionImages = "CAPTION_IMAGES",
        /// Boxes with names.
        ObjectDetection = "OBJECT_DETECTION",
        /// A short text about each object.
        CaptionObjects = "CAPTION_OBJECTS",
        /// Labels of whole pictures.
        ImageTagging = "IMAGE_TAGGING",
        /// Vectors of pictures that can be compared with texts.
        MultimodelImageEncoding = "MULTIMODEL_IMAGE_ENCODING",
        /// The same of objects.
        MultimodelObjectEncoding = "MULTIMODEL_OBJECT_ENCODING",
    }
);

impl EnrichmentType {
    /// What the models of this type look at.
    pub const fn entity_type(self) -> EntityType {
        match self {
            Self::CaptionImages
            | Self::ObjectDetection
            | Self::ImageTagging
            | Self::MultimodelImageEncoding => EntityType::Images,
            Self::CaptionObjects | Self::MultimodelObjectEncoding => EntityType::Objects,
        }
    }

    /// What must be applied first, or be asked for in the same request.
    pub const fn dependencies(self) -> &'static [Self] {
        match self.entity_type() {
            EntityType::Images => &[],
            EntityType::Objects => &[Self::ObjectDetection],
        }
    }

    /// The one slot of this type.
    pub fn slot(self) -> &'static Slot {
        match self {
            Self::CaptionImages => &IMAGE_CAPTIONER,
            Self::ObjectDetection => &OBJECT_DETECTOR,
            Self::CaptionObjects => &OBJECT_CAPTIONER,
            Self::ImageTagging => &IMAGE_TAGGER,
            Self::MultimodelImageEncoding => &IMAGE_ENCODER,
            Self::MultimodelObjectEncoding => &OBJECT_ENCODER,
        }
    }
}

text_enum!(
    /// How far the enrichment of a dataset is (contract 2.2).
    EnrichmentStatus, "enrichment status", {
        /// Nothing was ever asked for.
        New = "NEW",
        /// Models are being applied.
        InProgress = "IN_PROGRESS",
        /// Everything that was asked for is applied.
        Completed = "COMPLETED",
        /// It could not be done.
        Failed = "FAILED",
        /// Somebody stopped it.
        Aborted = "ABORTED",
    }
);

/// What the API calls a model.
#[derive(Debug, PartialEq, Eq)]
pub struct Slot {
    /// The value clients put into a request.
    pub id: &'static str,
    /// For people.
    pub name: &'static str,
    /// What it adds.
    pub enrichment_type: EnrichmentType,
    /// One or two sentences for people.
    pub description: &'static str,
}

const IMAGE_CAPTIONER: Slot = Slot {
    id: "vl_image_captioner_v00",
    name: "VL-Image-Captioner",
    enrichment_type: EnrichmentType::CaptionImages,
    description: "Writes one or two sentences about the whole picture.",
};
const OBJECT_DETECTOR: Slot = Slot {
    id: "vl_object_detector_v00",
    name: "VL-Object-Detector",
    enrichment_type: EnrichmentType::ObjectDetection,
    description: "Finds objects, draws a box round each and names it.",
};
const OBJECT_CAPTIONER: Slot = Slot {
    id: "vl_object_captioner_v00",
    name: "VL-Object-Captioner",
    enrichment_type: EnrichmentType::CaptionObjects,
    description: "Writes a short text about every object that was found.",
};
const IMAGE_TAGGER: Slot = Slot {
    id: "vl_image_tagger_v00",
    name: "VL-Image-Tagger",
    enrichment_type: EnrichmentType::ImageTagging,
    description: "Gives each picture several labels.",
};
const IMAGE_ENCODER: Slot = Slot {
    id: "DFN5B-CLIP-ViT-H-14-384-images",
    name: "VL-Image-Semantic Search",
    enrichment_type: EnrichmentType::MultimodelImageEncoding,
    description: "Makes pictures searchable by the meaning of a text.",
};
const OBJECT_ENCODER: Slot = Slot {
    id: "vl_object_encoder_v00",
    name: "VL-Object-Semantic Search",
    enrichment_type: EnrichmentType::MultimodelObjectEncoding,
    description: "Makes objects searchable by the meaning of a text.",
};

impl Slot {
    /// Every slot that a client can ask for, in the order of the list that it gets.
    pub const ALL: &'static [Self] = &[
        IMAGE_CAPTIONER,
        OBJECT_DETECTOR,
        OBJECT_CAPTIONER,
        IMAGE_TAGGER,
        IMAGE_ENCODER,
        OBJECT_ENCODER,
    ];

    /// The slot of this id.
    pub fn find(id: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|slot| slot.id == id)
    }
}

/// The slot of the encoder that ingest runs; no client sees it.
pub const INDEX_SLOT: &str = "INDEX";

/// The slot of the encoder of caption texts; no client sees it.
pub const CAPTION_TEXT_SLOT: &str = "CAPTION_TEXT";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_the_slot_that_says_so_and_the_ids_of_the_seed_are_there() {
        for kind in EnrichmentType::ALL {
            assert_eq!(kind.slot().enrichment_type, *kind);
            assert_eq!(Slot::find(kind.slot().id), Some(kind.slot()));
        }
        assert_eq!(Slot::ALL.len(), EnrichmentType::ALL.len());
        for id in ["vl_image_captioner_v00", "vl_object_detector_v00"] {
            assert!(Slot::find(id).is_some());
        }
        assert_eq!(Slot::find("vl_face_detector"), None);
    }

    #[test]
    fn objects_come_before_what_is_said_about_them() {
        for kind in EnrichmentType::ALL {
            for needed in kind.dependencies() {
                assert!(
                    needed.dependencies().is_empty(),
                    "one level is all there is"
                );
            }
        }
        assert_eq!(
            EnrichmentType::CaptionObjects.dependencies(),
            [EnrichmentType::ObjectDetection]
        );
    }
}
