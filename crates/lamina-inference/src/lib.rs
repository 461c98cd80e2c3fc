//! Models: the ONNX Runtime library, model packages, and the worker pools that run them.
//!
//! Owns `ort` and `tokenizers`; no other crate may name them. Knows tensors, texts and vectors; must not know datasets,
//! databases, HTTP or how a picture file is decoded (it takes prepared tensors and gives embeddings back).
//!
//! One request: [`DualEncoder::embed_images`] checks the length of every tensor, puts each into one of two bounded lanes
//! (interactive: full means [`InferenceError::Overloaded`]; bulk: waits), and awaits one answer per item. A named thread that
//! owns one ONNX session takes what waits when the device gets free, interactive first, up to the manifest's budget; runs it; and
//! answers each item. Out of memory halves the batch and tries again, any other failure fails that batch alone, an item whose caller
//! has gone is dropped and counted. Texts go the same way through a session and thread of their own, so a text query never waits
//! for a batch of pictures.
//!
//! [`Models`] holds all of them: packages on disk by `name@version`, verified once, loaded when first asked for, unloaded when idle.
//!
//! Before that, once per process: [`find_runtime`] looks for the library, [`Runtime::load`] loads it, checks its version and proves the
//! chosen device with a real session; [`ModelPackage::open`] checks every file of a package against its manifest.

mod calibration;
mod calibration_fit;
mod captioner;
mod detector;
mod device;
mod dual_encoder;
mod elf;
mod error;
mod graph;
mod image_encoder;
mod labels;
mod launch;
mod manifest;
mod onnx;
mod package;
mod picture_encoder;
mod pixels;
mod pool;
mod quality;
mod registry;
mod resolver;
mod runtime;
mod sentence;
mod session;
mod tagger;
mod text;
mod text_encoder;
mod vector_graph;
mod vision;

pub use calibration::{Calibration, CalibrationError};
pub use calibration_fit::FitError;
pub use captioner::{
    CaptionError, CaptionOptions, Captioner, LocatedText, PromptError, RegionInput,
};
pub use detector::{Detection, DetectionFault, Detector, DetectorInput};
pub use device::{Device, DeviceChoice, DeviceChoiceError};
pub use dual_encoder::{CPU_BATCH, DualEncoder, EncoderConfig, EncoderReport};
pub use error::{ErrorClass, InferenceError};
pub use image_encoder::ImageEncoder;
pub use manifest::{
    BatchLimits, CaptionerLayout, CaptionerSpec, DetectorLayout, DetectorSpec, DistanceBands,
    Family, FileRole, ManifestError, ModelManifest, PackageFile, Pooling, TaggerLayout, TaggerSpec,
    TextSpec,
};
pub use onnx::{OnnxError, external_locations};
pub use package::{ModelPackage, PackageError};
pub use picture_encoder::PictureEncoder;
pub use pool::{Lane, LaneReport, PoolReport};
pub use quality::{
    CaptionPair, CaptionQuality, DetectionQuality, FoundObject, LabelledPicture, RankingQuality,
    TagQuality, TaggedPicture, TrueObject, caption_quality, detection_quality, ranking_quality,
    tag_quality,
};
pub use registry::{ModelReport, Models, ModelsOptions, PackageFolders, PackageState};
pub use resolver::{RUNTIME_VERSION, RuntimeMissing, RuntimeSearch, Unusable, find_runtime};
pub use runtime::{Runtime, RuntimeError};
pub use session::SessionError;
pub use tagger::{TagFault, TagScore, Tagger, ThresholdsError};
pub use text_encoder::{TextEncoder, TextRole};
