//! `file_name`: pictures by the base name of their file, upper and lower case alike. Beyond the contract.

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// How a name is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Is,
    Contains,
    StartsWith,
    EndsWith,
}

/// A test of the file an item comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    comparison: Comparison,
    /// In lower case; one of them has to agree.
    texts: Vec<String>,
}

impl FileName {
    fn passes(&self, name: &str) -> bool {
        self.texts.iter().any(|text| match self.comparison {
            Comparison::Is => name == text,
            Comparison::Contains => name.contains(text.as_str()),
            Comparison::StartsWith => name.starts_with(text.as_str()),
            Comparison::EndsWith => name.ends_with(text.as_str()),
        })
    }
}

impl FilterKind for FileName {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        let words = [
            ("one_of", Comparison::Is),
            ("contains", Comparison::Contains),
            ("starts_with", Comparison::StartsWith),
            ("ends_with", Comparison::EndsWith),
        ];
        let comparison = element.word("op", &words)?;
        let texts = element.strings("value")?;
        if texts.iter().any(String::is_empty) {
            return Err(element.wrong("value", "string_too_short", "should not be empty"));
        }
        Ok(Self {
            comparison,
            texts: texts.iter().map(|text| text.to_lowercase()).collect(),
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let (filter, facts) = (self.clone(), context.facts().await?);
        context
            .scan(move |snapshot| snapshot.those(|ordinal| filter.passes(facts.name(ordinal))))
            .await
    }
}
