//! Word searches that know how they are written, what Postgres calls them, and what they match.

use crate::random::Random;

/// Words whose stems differ and that are no stop words.
pub const WORDS: [&str; 9] = [
    "truck", "river", "night", "dog", "umbrella", "snow", "bridge", "orange", "tower",
];

#[derive(Debug, Clone)]
pub enum Words {
    Word(&'static str),
    Phrase(&'static str, &'static str),
    All(Vec<Words>),
    Any(Vec<Words>),
    Not(Box<Words>),
}

impl Words {
    pub fn generate(random: &mut Random, depth: usize) -> Self {
        let parts = |random: &mut Random| {
            let count = 2 + random.below(2);
            (0..count)
                .map(|_| Self::generate(random, depth - 1))
                .collect()
        };
        match random.below(if depth == 0 { 4 } else { 8 }) {
            0..=2 => Self::Word(random.pick(&WORDS)),
            3 => Self::Phrase(random.pick(&WORDS), random.pick(&WORDS)),
            4 | 5 => Self::All(parts(random)),
            6 => Self::Any(parts(random)),
            _ => Self::Not(Box::new(Self::generate(random, depth - 1))),
        }
    }

    fn list(parts: &[Self], between: &str, show: impl Fn(&Self) -> String) -> String {
        let parts: Vec<String> = parts.iter().map(show).collect();
        format!("({})", parts.join(between))
    }

    /// As people write it.
    pub fn written(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Phrase(a, b) => format!("\"{a} {b}\""),
            Self::All(parts) => Self::list(parts, " ", Self::written),
            Self::Any(parts) => Self::list(parts, " OR ", Self::written),
            Self::Not(part) => format!("-{}", part.written()),
        }
    }

    /// In the language of `to_tsquery`.
    pub fn tsquery(&self) -> String {
        match self {
            Self::Word(word) => (*word).to_owned(),
            Self::Phrase(a, b) => format!("({a} <-> {b})"),
            Self::All(parts) => Self::list(parts, " & ", Self::tsquery),
            Self::Any(parts) => Self::list(parts, " | ", Self::tsquery),
            Self::Not(part) => format!("!({})", part.tsquery()),
        }
    }

    pub fn matches(&self, caption: &[&str]) -> bool {
        match self {
            Self::Word(word) => caption.contains(word),
            Self::Phrase(a, b) => caption.windows(2).any(|pair| pair == [*a, *b]),
            Self::All(parts) => parts.iter().all(|part| part.matches(caption)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(caption)),
            Self::Not(part) => !part.matches(caption),
        }
    }
}
