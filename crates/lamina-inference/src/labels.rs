//! The names of classes or tags: one a line, in the order of the graph's output.

use std::sync::Arc;

use crate::error::InferenceError;
use crate::manifest::FileRole;
use crate::package::{ModelPackage, PackageError};

/// The names by class index.
#[derive(Debug, Clone)]
pub(crate) struct Labels(Arc<[Option<Arc<str>>]>);

impl Labels {
    /// Reads the labels file of a package.
    pub(crate) fn read(package: &ModelPackage) -> Result<Self, InferenceError> {
        let Some(file) = package.manifest().file(FileRole::Labels) else {
            return Ok(Self::parse(""));
        };
        let path = package.dir().join(&file.path);
        let text = String::from_utf8(package.read(file)?)
            .map_err(|error| PackageError::NotText(path, error.utf8_error()))?;
        Ok(Self::parse(&text))
    }

    /// An empty line is a place that is never reported; an end of line behind the last name begins no further one.
    pub(crate) fn parse(text: &str) -> Self {
        let name = |line: &str| {
            let name = line.trim();
            (!name.is_empty()).then(|| Arc::from(name))
        };
        Self(text.lines().map(name).collect())
    }

    /// Number of places, empty ones included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is such a class; not all have a name.
    pub(crate) fn has(&self, class: usize) -> bool {
        class < self.0.len()
    }

    /// The name of a class that is reported.
    pub(crate) fn name(&self, class: usize) -> Option<&Arc<str>> {
        self.0.get(class).and_then(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_places_and_empty_ones_have_no_name() {
        let labels = Labels::parse("person\r\n\n traffic light \n");
        assert_eq!(labels.len(), 3);
        assert_eq!(labels.name(0).map(AsRef::as_ref), Some("person"));
        assert_eq!(labels.name(2).map(AsRef::as_ref), Some("traffic light"));
        assert!(labels.has(1) && labels.name(1).is_none());
        assert!(!labels.has(3) && labels.name(3).is_none());
        assert_eq!(Labels::parse("").len(), 0);
    }
}
