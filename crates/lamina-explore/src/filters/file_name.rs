//! `file_name`: pictures by the base name of their file, upper and lower case alike. Beyond the contract.

use aho_corasick::AhoCorasick;

use super::FilterKind;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};
use crate::{DatasetSnapshot, ExploreError};

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

/// Texts up to which names are compared with one after the other, which is quicker for a few.
const FEW: usize = 4;

/// What names are compared with: at once if there are many, or a million names and a thousand texts would take half a minute.
enum Texts {
    Few(Vec<String>),
    Many(AhoCorasick),
}

impl Texts {
    /// Each once; as they are where together they are too long for an automaton.
    fn new(mut texts: Vec<String>) -> Self {
        texts.sort_unstable();
        texts.dedup();
        if texts.len() <= FEW {
            return Self::Few(texts);
        }
        AhoCorasick::new(&texts).map_or(Self::Few(texts), Self::Many)
    }

    /// Whether one of them agrees with a name.
    fn agree(&self, name: &str, comparison: Comparison) -> bool {
        match self {
            Self::Few(texts) => texts.iter().any(|text| match comparison {
                Comparison::Is => name == text,
                Comparison::Contains => name.contains(text.as_str()),
                Comparison::StartsWith => name.starts_with(text.as_str()),
                Comparison::EndsWith => name.ends_with(text.as_str()),
            }),
            Self::Many(automaton) => {
                let mut found = automaton.find_overlapping_iter(name);
                let end = name.len();
                match comparison {
                    Comparison::Is => found.any(|one| one.range() == (0..end)),
                    Comparison::Contains => found.next().is_some(),
                    Comparison::StartsWith => found.any(|one| one.start() == 0),
                    Comparison::EndsWith => found.any(|one| one.end() == end),
                }
            }
        }
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
        let select = move |snapshot: &DatasetSnapshot| {
            let (texts, comparison) = (Texts::new(filter.texts), filter.comparison);
            snapshot.those(|ordinal| texts.agree(facts.name(ordinal), comparison))
        };
        context.scan(select).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_texts_agree_with_what_one_after_the_other_does() {
        let named = |number: usize| format!("{}größe{}", number % 7, number % 13);
        let many: Vec<String> = (0..60).map(named).chain(["ß".to_owned()]).collect();
        let names = [
            "0größe0",
            "0größe",
            "größe12",
            "x0größe0",
            "0größe0x",
            "ß",
            "",
        ];
        for comparison in [
            Comparison::Is,
            Comparison::Contains,
            Comparison::StartsWith,
            Comparison::EndsWith,
        ] {
            let (mut agreed, texts) = (0, Texts::new(many.clone()));
            assert!(matches!(texts, Texts::Many(_)));
            for name in names.map(str::to_owned).iter().chain(&many) {
                let one_by_one = Texts::Few(many.clone()).agree(name, comparison);
                assert_eq!(
                    texts.agree(name, comparison),
                    one_by_one,
                    "{comparison:?} {name}"
                );
                agreed += usize::from(one_by_one);
            }
            assert!((many.len()..many.len() + names.len()).contains(&agreed));
        }
        // The same text over and over is one.
        let one = Texts::new(vec!["zzz".to_owned(); 900]);
        assert!(matches!(&one, Texts::Few(texts) if texts.len() == 1));
    }
}
