//! Timestamps as clients expect them.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A moment in UTC, sent as ISO 8601 **without a zone** and with six fractional digits: `2026-03-31T16:47:19.264591`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl From<DateTime<Utc>> for Timestamp {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(moment)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.format("%Y-%m-%dT%H:%M:%S%.6f").fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Timestamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("UTC, no zone suffix, six fractional digits"))
            .examples(["2026-03-31T16:47:19.264591"])
            .into()
    }
}

impl ToSchema for Timestamp {}

/// A moment in UTC, sent in whole seconds with a zone: `2026-03-01T14:30:00Z`. The form of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WholeSeconds(DateTime<Utc>);

impl From<DateTime<Utc>> for WholeSeconds {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(moment)
    }
}

impl std::fmt::Display for WholeSeconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}

impl Serialize for WholeSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for WholeSeconds {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("UTC, whole seconds"))
            .examples(["2026-03-01T14:30:00Z"])
            .into()
    }
}

impl ToSchema for WholeSeconds {}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn microseconds_are_always_written_and_the_zone_never() {
        let whole = Utc.with_ymd_and_hms(2026, 3, 31, 16, 47, 19).unwrap();
        assert_eq!(Timestamp(whole).to_string(), "2026-03-31T16:47:19.000000");
        assert_eq!(WholeSeconds(whole).to_string(), "2026-03-31T16:47:19Z");
        let fine = whole + chrono::Duration::nanoseconds(264_591_999);
        assert_eq!(
            serde_json::to_string(&Timestamp(fine)).unwrap(),
            "\"2026-03-31T16:47:19.264591\""
        );
    }
}
