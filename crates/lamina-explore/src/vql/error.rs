//! What is wrong with a VQL document.

/// The first thing that is wrong, for a 422 answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct VqlError {
    /// Which element: `vql[2].labels.value`.
    pub place: String,
    /// What is wrong, for programs: `json_invalid`, `enum`, `float_type`, ...
    pub kind: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl VqlError {
    pub(crate) fn new(
        place: impl Into<String>,
        kind: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            kind,
            message: message.into(),
        }
    }
}
