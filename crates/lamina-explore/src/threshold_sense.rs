//! What a threshold of a caller means.

use std::str::FromStr;

use lamina_types::UnknownValue;

/// Which end of the scale a threshold of a text or picture search counts from. Sources disagree (contract 22.3), so it is a
/// setting; scores are distances either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ThresholdSense {
    /// The greatest distance that is still found.
    #[default]
    Distance,
    /// The least similarity, `1 - distance`.
    Similarity,
}

impl ThresholdSense {
    /// The greatest distance that a caller's threshold allows.
    pub const fn max_distance(self, threshold: f32) -> f32 {
        match self {
            Self::Distance => threshold,
            Self::Similarity => 1.0 - threshold,
        }
    }
}

impl FromStr for ThresholdSense {
    type Err = UnknownValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "distance" => Ok(Self::Distance),
            "similarity" => Ok(Self::Similarity),
            _ => Err(UnknownValue {
                what: "threshold sense",
                value: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_counts_from_the_end_that_the_setting_names() {
        let bound = |sense: &str| sense.parse::<ThresholdSense>().unwrap().max_distance(0.75);
        assert_eq!((bound("distance"), bound("similarity")), (0.75, 0.25));
        assert!("Distance".parse::<ThresholdSense>().is_err());
    }
}
