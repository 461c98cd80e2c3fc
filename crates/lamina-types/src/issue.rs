//! Quality issues (contract 22.5).

use crate::text_enum;

text_enum!(
    /// What can be wrong with a media item, spelt as in VQL and exports.
    IssueType, "issue type", {
        /// The given label disagrees with what the picture shows.
        Mislabels = "mislabels",
        /// Far from everything else in the dataset.
        Outliers = "outliers",
        /// Has near-copies.
        Duplicates = "duplicates",
        /// Out of focus or motion-blurred.
        Blur = "blur",
        /// Too little light.
        Dark = "dark",
        /// Overexposed.
        Bright = "bright",
        /// The label is right but the item looks unlike its class.
        LabelOutlier = "label_outlier",
    }
);

/// How much an issue matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// 0
    High,
    /// 1
    Medium,
    /// 2
    Low,
}

impl IssueType {
    /// The number clients know this issue by.
    pub const fn number(self) -> u8 {
        match self {
            Self::Mislabels => 0,
            Self::Outliers => 1,
            Self::Duplicates => 2,
            Self::Blur => 3,
            Self::Dark => 4,
            Self::Bright => 5,
            Self::LabelOutlier => 7,
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Mislabels | Self::Outliers | Self::Duplicates | Self::LabelOutlier => {
                Severity::High
            }
            Self::Blur | Self::Dark => Severity::Medium,
            Self::Bright => Severity::Low,
        }
    }
}
