//! What can go wrong, and what kind of trouble it is for whoever asked.

use std::sync::Arc;
use std::time::Duration;

use lamina_types::EmbeddingError;

use crate::captioner::{CaptionError, PromptError};
use crate::package::PackageError;
use crate::resolver::RuntimeMissing;
use crate::runtime::RuntimeError;
use crate::session::SessionError;

/// The kind of an error, for the layer that answers people. Nothing of HTTP in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The caller asked for something that can never work.
    InvalidInput,
    /// Too much waits already; worth another try after this time.
    Overloaded {
        /// When to come back.
        retry_after: Duration,
    },
    /// The model or the device is not there (any more).
    Unavailable,
    /// Our fault, or a damaged file.
    Internal,
}

/// Every failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    /// No usable ONNX Runtime library was found.
    #[error(transparent)]
    Missing(#[from] RuntimeMissing),
    /// The library or the chosen device does not work.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A model package is damaged, incomplete or not acceptable.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// No package of this name lies in the folders of packages.
    #[error("the model package {package} is not installed")]
    NotInstalled {
        /// `name@version`.
        package: String,
    },
    /// The package is there and not as its manifest says.
    #[error("the model package {package} cannot be used")]
    Unusable {
        /// `name@version`.
        package: String,
        /// Why; shared by all who ask until a file changes.
        #[source]
        source: Arc<PackageError>,
    },
    /// The thread that loaded a model broke down.
    #[error("loading the model package {model} broke down")]
    Loading {
        /// `name@version`.
        model: String,
        /// Why.
        #[source]
        source: tokio::task::JoinError,
    },
    /// A model of a package could not be loaded or did not survive its warm-up.
    #[error("model {model} could not be started")]
    Start {
        /// `name@version/graph`.
        model: String,
        /// Why.
        #[source]
        source: SessionError,
    },
    /// The worker thread of a model could not be started.
    #[error("the worker thread of {model} could not be started")]
    Thread {
        /// `name@version/graph`.
        model: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A package of another family than what it is wanted for.
    #[error("model {model} is of the family {found}, not {wanted}")]
    Family {
        /// `name@version`.
        model: String,
        /// Its family.
        found: &'static str,
        /// The family that was asked for.
        wanted: &'static str,
    },
    /// The interactive lane is full.
    #[error("too many requests wait for model {model}")]
    Overloaded {
        /// `name@version/graph`.
        model: String,
        /// About how long the queue needs, 1 s to 30 s.
        retry_after: Duration,
    },
    /// More items in one interactive request than the lane can ever hold.
    #[error("{items} items in one request, at most {limit} are allowed")]
    TooManyItems {
        /// Items of the request.
        items: usize,
        /// Size of the lane.
        limit: usize,
    },
    /// A tensor of a wrong length.
    #[error("image tensor {index} has {found} values, the model takes {expected}")]
    TensorLength {
        /// Which of the request, from 0.
        index: usize,
        /// Its length.
        found: usize,
        /// 3 x size x size.
        expected: usize,
    },
    /// A text that is longer than any model would read.
    #[error("text {index} has {bytes} bytes, at most {limit} are allowed")]
    TextLength {
        /// Which of the request, from 0.
        index: usize,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The package has no text tower.
    #[error("model {model} cannot read text")]
    NoText {
        /// `name@version`.
        model: String,
    },
    /// The batch failed on the device; other batches are not affected.
    #[error("model {model} failed")]
    Batch {
        /// `name@version/graph`.
        model: String,
        /// Why; shared by every item of the batch.
        #[source]
        source: Arc<SessionError>,
    },
    /// The vector of a text is of no use: the model or the device is at fault.
    #[error("model {model} gave an unusable vector for a text")]
    BadTextVector {
        /// `name@version`.
        model: String,
        /// Why.
        #[source]
        source: EmbeddingError,
    },
    /// A score threshold that is no number from 0 to 1.
    #[error("a score threshold must be a number from 0 to 1, not {0}")]
    Threshold(f32),
    /// A picture of no width or height.
    #[error("picture {index} has no width or no height")]
    PictureSize {
        /// Which of the request, from 0.
        index: usize,
    },
    /// The text of a picture is of no use: the model or the device is at fault.
    #[error("model {model} gave an unusable text for picture {index}")]
    BadCaption {
        /// `name@version`.
        model: String,
        /// Which of the request, from 0.
        index: usize,
        /// Why.
        #[source]
        source: CaptionError,
    },
    /// A prompt, a number of beams or a task that the model does not take.
    #[error("model {model} does not take this request")]
    Prompt {
        /// `name@version`.
        model: String,
        /// Why.
        #[source]
        source: PromptError,
    },
    /// The model was shut down, or its device was lost.
    #[error("model {model} is not running")]
    Stopped {
        /// `name@version/graph`.
        model: String,
    },
}

impl InferenceError {
    /// The package that would have to be installed, or installed anew, if that is the trouble.
    pub fn missing_package(&self) -> Option<&str> {
        if let Self::NotInstalled { package } | Self::Unusable { package, .. } = self {
            Some(package)
        } else {
            None
        }
    }

    /// The kind of trouble.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::TooManyItems { .. }
            | Self::TensorLength { .. }
            | Self::TextLength { .. }
            | Self::NoText { .. }
            | Self::Threshold(_)
            | Self::PictureSize { .. }
            | Self::Prompt { .. }
            | Self::Family { .. } => ErrorClass::InvalidInput,
            Self::Overloaded { retry_after, .. } => ErrorClass::Overloaded {
                retry_after: *retry_after,
            },
            Self::Missing(_)
            | Self::Runtime(_)
            | Self::NotInstalled { .. }
            | Self::Unusable { .. }
            | Self::Stopped { .. } => ErrorClass::Unavailable,
            Self::Batch { source, .. } if source.is_device_lost() => ErrorClass::Unavailable,
            Self::Package(_)
            | Self::Loading { .. }
            | Self::Start { .. }
            | Self::Thread { .. }
            | Self::Batch { .. }
            | Self::BadTextVector { .. }
            | Self::BadCaption { .. } => ErrorClass::Internal,
        }
    }
}
