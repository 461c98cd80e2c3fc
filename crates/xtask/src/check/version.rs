//! Comparing versions of crates, as far as the lock file has them.

use std::cmp::Ordering;

/// A version such as `2.0.0-rc.15`; build metadata is ignored, as it is for precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: Vec<u64>,
    pre_release: Option<String>,
}

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.split('+').next()?;
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre_release)) => (numbers, Some(pre_release.to_owned())),
            None => (text, None),
        };
        let numbers = numbers
            .split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<Vec<u64>>>()?;
        Some(Self {
            numbers,
            pre_release,
        })
    }

    /// Whether this is a version of the line `0.9` or `2`, say.
    pub(crate) fn is_of_line(&self, line: &str) -> bool {
        Self::parse(line).is_some_and(|line| self.numbers.starts_with(&line.numbers))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (&self.pre_release, &other.pre_release) {
                (None, None) => Ordering::Equal,
                (None, Some(_)) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(mine), Some(theirs)) => compare_pre_releases(mine, theirs),
            }
        })
    }
}

/// Part by part; numbers by value and below words.
fn compare_pre_releases(mine: &str, theirs: &str) -> Ordering {
    let key = |text: &str| -> Vec<(bool, u64, String)> {
        text.split('.')
            .map(|part| {
                part.parse().map_or_else(
                    |_| (true, 0, part.to_owned()),
                    |number| (false, number, String::new()),
                )
            })
            .collect()
    };
    key(mine).cmp(&key(theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_value() {
        let ascending = [
            "0.4.9",
            "0.4.16",
            "1.0.0",
            "2.0.0-rc.9",
            "2.0.0-rc.15",
            "2.0.0",
            "2.0.1-alpha",
            "10.3.0",
        ];
        for pair in ascending.windows(2) {
            assert!(
                Version::parse(pair[0]).unwrap() < Version::parse(pair[1]).unwrap(),
                "{pair:?}"
            );
        }
        assert_eq!(Version::parse("2.5.0+wasi.1"), Version::parse("2.5.0"));
        assert!(Version::parse("0.9.5").unwrap().is_of_line("0.9"));
        assert!(!Version::parse("0.10.5").unwrap().is_of_line("0.1"));
    }
}
