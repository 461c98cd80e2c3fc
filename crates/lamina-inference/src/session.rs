//! The seam between the pool and whatever computes: ONNX sessions, or a scripted one in tests.

use lamina_types::{Embedding, EmbeddingError};

use crate::onnx::OnnxError;
use crate::package::PackageError;

/// Something that turns a batch of inputs into outputs. It is owned by one thread; nothing is shared, so nothing is locked.
pub(crate) trait ModelSession: Send + 'static {
    /// One picture tensor, one text.
    type Input: Send + 'static;
    /// What one input comes to.
    type Output: Send + 'static;

    /// One output for each input, in their order. Must not keep state from one batch to the next.
    fn run(&mut self, batch: &[Self::Input]) -> Result<Vec<Self::Output>, SessionError>;

    /// Whether an output is there and of no use; counted.
    fn is_unusable(_output: &Self::Output) -> bool {
        false
    }
}

/// What encoders give for one input: a vector, or why it is of no use.
pub(crate) type EncoderOutput = Result<Embedding, EmbeddingError>;

/// Why a graph could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The graph file is refused.
    #[error("the graph is not acceptable")]
    Graph(#[from] OnnxError),
    /// ONNX Runtime refused the graph.
    #[error("the graph cannot be loaded")]
    Load(#[source] ort::Error),
    /// A file of the package is not there any more or has changed.
    #[error("a file of the package cannot be used")]
    Package(#[from] PackageError),
    /// The tokenizer file cannot be used.
    #[error("the tokenizer cannot be used: {0}")]
    Tokenizer(Box<dyn std::error::Error + Send + Sync>),
    /// An input or output of the graph is missing or of another kind than its family has.
    #[error("the graph has no {0}")]
    Signature(&'static str),
    /// A token of the manifest that the graph does not know.
    #[error("the manifest says {field} = {token}, the graph knows {vocabulary} tokens")]
    OutsideVocabulary {
        /// Field of the manifest.
        field: &'static str,
        /// What the manifest says.
        token: u32,
        /// Size of the graph's vocabulary.
        vocabulary: i64,
    },
    /// An input of the graph that nothing is known to fill.
    #[error("the graph wants an input {0:?} that its family does not have")]
    UnknownInput(String),
    /// An output that the family has is missing.
    #[error("the graph has no output {0:?}")]
    NoOutput(String),
    /// An output of another kind than its family has.
    #[error("the output {name:?} is {found}, not {expected}")]
    OutputKind {
        /// Its name.
        name: String,
        /// Element type and rank.
        found: String,
        /// Those of the family.
        expected: String,
    },
    /// A run gave an output of another shape than it must have.
    #[error("the output {name:?} came with the shape {found:?}, not with {expected}")]
    OutputShape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<i64>,
        /// What is wrong with it.
        expected: String,
    },
    /// The labels file does not belong to the graph.
    #[error("the labels file has {lines} lines, the graph {classes} classes")]
    Classes {
        /// Lines of the file.
        lines: i64,
        /// Classes of the graph.
        classes: i64,
    },
    /// Manifest and graph disagree.
    #[error("the manifest says {field} = {manifest}, the graph {graph}")]
    Disagreement {
        /// Field of the manifest.
        field: &'static str,
        /// What the manifest says.
        manifest: i64,
        /// What the graph has.
        graph: i64,
    },
    /// The device had no memory for this batch; a smaller one may do.
    #[error("out of memory with a batch of {0}")]
    OutOfMemory(usize, #[source] Option<ort::Error>),
    /// The device is gone for this process (reset, or an error that spoils its context).
    #[error("the device was lost")]
    DeviceLost(#[source] Option<ort::Error>),
    /// The run failed.
    #[error("the graph failed")]
    Run(#[source] ort::Error),
    /// The result has another form than announced.
    #[error("the graph gave {found} values where {expected} were expected")]
    WrongOutput {
        /// Values that came.
        found: usize,
        /// Batch x dimension.
        expected: usize,
    },
    /// Something in the run panicked.
    #[error("the run panicked")]
    Panicked,
    /// Said by a test.
    #[cfg(test)]
    #[error("scripted failure")]
    Scripted,
}

impl SessionError {
    /// Whether half the batch may succeed.
    pub(crate) const fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::OutOfMemory(..))
    }

    /// Whether nothing on this device will succeed any more.
    pub const fn is_device_lost(&self) -> bool {
        matches!(self, Self::DeviceLost(_))
    }

    /// Sorts a failed run. ONNX Runtime has no code for "out of memory", so the words decide; they are those of its arena, of CUDA, of
    /// cuBLAS and cuDNN, and of the C++ library.
    pub(crate) fn of_run(error: ort::Error, batch: usize) -> Self {
        const MEMORY: [&str; 6] = [
            "Failed to allocate memory",
            "out of memory",
            "bad_alloc",
            "CUDA_ERROR_OUT_OF_MEMORY",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED",
        ];
        // After an illegal access (700), a launch failure (719) or a lost device every later call of the process fails as well.
        const LOST: [&str; 5] = [
            "CUDA failure 700",
            "CUDA failure 719",
            "illegal memory access",
            "unspecified launch failure",
            "device removed",
        ];
        let said = |words: &[&str]| words.iter().any(|word| error.message().contains(word));
        if said(&MEMORY) {
            Self::OutOfMemory(batch, Some(error))
        } else if error.code() == ort::ErrorCode::DeviceReset || said(&LOST) {
            Self::DeviceLost(Some(error))
        } else {
            Self::Run(error)
        }
    }
}
