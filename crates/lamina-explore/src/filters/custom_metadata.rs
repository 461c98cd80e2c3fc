//! `custom_metadata`: pictures by the value of a field that people declared (contract 18). Objects by that of their picture. Beyond
//! the contract.

use chrono::{DateTime, Utc};
use lamina_store::custom_fields::{self, FieldType, ValueTest};
use roaring::RoaringBitmap;

use super::FilterKind;
use super::date::moment;
use crate::ExploreError;
use crate::context::Context;
use crate::matching::Selection;
use crate::vql::{Element, VqlError};

/// A test of an item's value of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomMetadata {
    field: String,
    /// Whether those pass that do not pass the test, those without a value included.
    is_negated: bool,
    test: ValueTest,
    /// The types whose values the test is for; empty for all.
    types: &'static [FieldType],
}

/// What `op` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Any { is_negated: bool },
    All { is_negated: bool },
    Contains,
    Between,
    Set { is_negated: bool },
}

const OPS: &[(&str, Op)] = &[
    ("one_of", Op::Any { is_negated: false }),
    ("not_one_of", Op::Any { is_negated: true }),
    ("is", Op::All { is_negated: false }),
    ("is_not", Op::All { is_negated: true }),
    ("contains", Op::Contains),
    ("between", Op::Between),
    ("set", Op::Set { is_negated: false }),
    ("not_set", Op::Set { is_negated: true }),
];

const TEXTS: &[FieldType] = &[FieldType::String, FieldType::Enum, FieldType::Link];

impl FilterKind for CustomMetadata {
    fn read(element: &mut Element<'_>) -> Result<Self, VqlError> {
        let field = element.text("field")?;
        let mut test = ValueTest::default();
        let (is_negated, types) = match element.word("op", OPS)? {
            Op::Any { is_negated } => {
                test.any = Some(element.strings("value")?);
                (is_negated, TEXTS)
            }
            Op::All { is_negated } => {
                test.all = Some(element.strings("value")?);
                (is_negated, TEXTS)
            }
            Op::Contains => {
                test.contains = Some(element.text("value")?);
                (false, TEXTS)
            }
            Op::Between => (false, between(element, &mut test)?),
            Op::Set { is_negated } => (is_negated, &[][..]),
        };
        Ok(Self {
            field,
            is_negated,
            test,
            types,
        })
    }

    async fn resolve(&self, context: &Context<'_>) -> Result<Selection, ExploreError> {
        let pool = context.pool();
        let found = custom_fields::by_name(pool, context.dataset_id(), &self.field).await?;
        let field = found.ok_or_else(|| {
            ExploreError::BadFilter(format!("the dataset has no field {:?}", self.field))
        })?;
        if !self.types.is_empty() && !self.types.contains(&field.field_type) {
            return Err(ExploreError::BadFilter(format!(
                "the field {:?} is of type {}, which cannot be compared like this",
                self.field,
                field.field_type.as_str()
            )));
        }
        let passing = custom_fields::ordinals(pool, field.id, &self.test).await?;
        let passing: RoaringBitmap = passing.into_iter().collect();
        let is_negated = self.is_negated;
        context
            .scan(move |snapshot| {
                // What came after this snapshot was made is not in it yet.
                let found = snapshot.items_on(&passing) & snapshot.everything();
                if is_negated {
                    snapshot.everything() - found
                } else {
                    found
                }
            })
            .await
    }
}

/// `min` and/or `max` for numbers, `from` and/or `to` for moments.
fn between(
    element: &mut Element<'_>,
    test: &mut ValueTest,
) -> Result<&'static [FieldType], VqlError> {
    test.least = element.optional_double("min", f64::MIN..=f64::MAX)?;
    test.most = element.optional_double("max", f64::MIN..=f64::MAX)?;
    let read = |member: &str| -> Result<Option<(DateTime<Utc>, chrono::TimeDelta)>, VqlError> {
        let Some(text) = element.optional_text(member)? else {
            return Ok(None);
        };
        moment(&text).map(Some).ok_or_else(|| {
            let message = "should be a date (2026-03-31) or a time (2026-03-31T16:47:19Z)";
            element.wrong(member, "datetime_parsing", message)
        })
    };
    test.from = read("from")?.map(|(from, _)| from);
    test.before = read("to")?.and_then(|(to, length)| to.checked_add_signed(length));
    match (
        test.least.is_some() || test.most.is_some(),
        test.from.is_some() || test.before.is_some(),
    ) {
        (true, false) => Ok(&[FieldType::Float]),
        (false, true) => Ok(&[FieldType::Datetime]),
        (false, false) => Err(element.wrong("min", "missing", "or max, from or to is required")),
        (true, true) => Err(element.wrong("from", "value_error", "numbers or moments, not both")),
    }
}
