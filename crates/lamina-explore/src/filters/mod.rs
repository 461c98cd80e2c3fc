//! The filters, one kind a file. A new kind is a file of its own and one line in `leaves!` below.

mod custom_metadata;
mod date;
mod duplicates;
mod file_name;
mod issues;
mod labels;
mod media;
mod sets;
mod similarity;
mod size;
mod tags;
mod text;
mod uniqueness;

use std::future::Future;
use std::pin::Pin;

use crate::ExploreError;
use crate::context::Context;
use crate::matching::{Node, Selection};
use crate::vql::{Element, VqlError};

pub use sets::SetTest;
pub use text::TextError;

/// What a member must be like.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Passes all.
    All(Vec<Filter>),
    /// Passes at least one.
    Any(Vec<Filter>),
    /// Does not pass.
    Not(Box<Filter>),
    /// One test.
    Is(Leaf),
}

/// What the score of an answer measures. Lower is better in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreKind {
    /// Cosine distance, 0 to 2; for texts on the scale of the model package's calibration.
    CosineDistance,
    /// `1 / (1 + rank)` of a word search, above 0 and at most 1.
    TextRank,
}

impl ScoreKind {
    /// As in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CosineDistance => "cosine_distance",
            Self::TextRank => "text_rank",
        }
    }
}

/// One kind of filter.
pub(crate) trait FilterKind: Sized {
    /// Reads the filter's members of a VQL document.
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError>;

    /// Does what needs the database, a model or a look at every item.
    fn resolve(
        &self,
        context: &Context<'_>,
    ) -> impl Future<Output = Result<Selection, ExploreError>> + Send;

    /// What it ranks by, if it does.
    fn score(&self) -> Option<ScoreKind> {
        None
    }
}

macro_rules! leaves {
    ($($key:literal => $module:ident::$name:ident),+ $(,)?) => {
        $(pub use $module::$name;)+

        /// One test of a member.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Leaf {
            $(
                #[doc = concat!("`", $key, "`")]
                $name($name),
            )+
        }

        impl Leaf {
            /// Reads the filter that `key` names.
            pub(crate) fn read(key: &str, element: &mut Element<'_>) -> Result<Self, VqlError> {
                match key {
                    $($key => $name::read(element).map(Self::$name),)+
                    _ => Err(element.unknown(&[$($key,)+ "and", "or", "not"])),
                }
            }

            async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
                match self {
                    $(Self::$name(filter) => filter.resolve(context).await,)+
                }
            }

            fn score(&self) -> Option<ScoreKind> {
                match self {
                    $(Self::$name(filter) => filter.score(),)+
                }
            }
        }

        $(impl From<$name> for Filter {
            fn from(filter: $name) -> Self {
                Self::Is(Leaf::$name(filter))
            }
        })+
    };
}

leaves! {
    "text" => text::Text,
    "labels" => labels::Labels,
    "tags" => tags::Tags,
    "issues" => issues::Issues,
    "duplicates" => duplicates::Duplicates,
    "uniqueness" => uniqueness::Uniqueness,
    "similarity" => similarity::Similarity,
    "media" => media::Media,
    "file_name" => file_name::FileName,
    "size" => size::Size,
    "date" => date::Date,
    "custom_metadata" => custom_metadata::CustomMetadata,
}

impl Filter {
    /// Does what the pure part of answering needs beforehand.
    pub(crate) fn resolve<'a>(
        &'a self,
        context: &'a Context<'_>,
    ) -> Pin<Box<dyn Future<Output = Result<Node, ExploreError>> + Send + 'a>> {
        Box::pin(async move {
            Ok(match self {
                Self::All(parts) => Node::All(resolve_all(parts, context).await?),
                Self::Any(parts) => Node::Any(resolve_all(parts, context).await?),
                Self::Not(part) => Node::Not(Box::new(part.resolve(context).await?)),
                Self::Is(leaf) => Node::Is(leaf.resolve(context).await?),
            })
        })
    }

    /// Every test that all members pass: those in `or` and `not` groups select, but rank and group nothing.
    pub(crate) fn required(&self) -> Vec<&Leaf> {
        match self {
            Self::All(parts) => parts.iter().flat_map(Self::required).collect(),
            Self::Is(leaf) => vec![leaf],
            Self::Any(_) | Self::Not(_) => Vec::new(),
        }
    }
}

async fn resolve_all(parts: &[Filter], context: &Context<'_>) -> Result<Vec<Node>, ExploreError> {
    let mut nodes = Vec::with_capacity(parts.len());
    for part in parts {
        nodes.push(part.resolve(context).await?);
    }
    Ok(nodes)
}

/// What an answer to these filters is ranked by: vectors before words.
pub(crate) fn score_of<'a>(filters: impl Iterator<Item = &'a Filter>) -> Option<ScoreKind> {
    let kinds: Vec<ScoreKind> = filters
        .flat_map(Filter::required)
        .filter_map(Leaf::score)
        .collect();
    let cosine = kinds
        .iter()
        .find(|kind| **kind == ScoreKind::CosineDistance);
    cosine.or(kinds.first()).copied()
}
