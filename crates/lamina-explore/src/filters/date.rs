//! `date`: items by when they were added to the dataset; objects by when their picture was. Beyond the contract.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

use super::FilterKind;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// A test of an item's date, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// From this moment on.
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    before: Option<DateTime<Utc>>,
}

/// A moment, and how long what was written lasts: a day for a bare date, a second for a time.
pub(super) fn moment(text: &str) -> Option<(DateTime<Utc>, TimeDelta)> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Some((date.and_time(NaiveTime::MIN).and_utc(), TimeDelta::days(1)));
    }
    let zoned = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    // Without a zone it is UTC, as everywhere in this interface.
    let time = zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|time| time.and_utc()));
    time.ok().map(|time| (time, TimeDelta::seconds(1)))
}

impl Date {
    fn passes(&self, added: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| added >= from) && self.before.is_none_or(|end| added < end)
    }
}

impl FilterKind for Date {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        element.word("op", &[("added", ())])?;
        let read = |member: &str| {
            let Some(text) = element.optional_text(member)? else {
                return Ok(None);
            };
            moment(&text).map(Some).ok_or_else(|| {
                let message = "should be a date (2026-03-31) or a time (2026-03-31T16:47:19Z)";
                element.wrong(member, "datetime_parsing", message)
            })
        };
        let (from, to) = (read("from")?, read("to")?);
        if from.is_none() && to.is_none() {
            return Err(element.wrong("from", "missing", "or to is required"));
        }
        Ok(Self {
            from: from.map(|(time, _)| time),
            before: to.and_then(|(time, length)| time.checked_add_signed(length)),
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let (filter, facts) = (*self, context.facts().await?);
        context
            .scan(move |snapshot| {
                snapshot.those(|ordinal| {
                    facts
                        .added(ordinal)
                        .is_some_and(|added| filter.passes(added))
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_date_is_the_whole_day_and_a_time_without_a_zone_is_utc() {
        let read = |text: &str| moment(text).unwrap();
        let (day, length) = read("2026-03-31");
        assert_eq!(
            (day.to_rfc3339(), length.num_hours()),
            ("2026-03-31T00:00:00+00:00".to_owned(), 24)
        );
        let noon = read("2026-03-31T12:00:00").0;
        assert_eq!(noon, read("2026-03-31T14:00:00+02:00").0);
        assert_eq!(noon, read("2026-03-31T12:00:00Z").0);
        for wrong in [
            "",
            "today",
            "31.03.2026",
            "2026-13-01",
            "2026-03-31T25:00:00",
        ] {
            assert!(moment(wrong).is_none(), "{wrong}");
        }
        let until = Date {
            from: None,
            before: day.checked_add_signed(length),
        };
        assert!(until.passes(noon));
        assert!(!until.passes(read("2026-04-01").0));
    }
}
