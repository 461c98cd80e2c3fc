//! Typed columns: texts, hashes and counts as they come out of a row.
//!
//! Rows are read by hand-written `FromRow` implementations because the types of `lamina-types` know nothing of SQL.

use std::str::FromStr;

use lamina_types::{ContentHash, UnknownValue};
use sqlx::{Row, postgres::PgRow};

pub(crate) fn broken(
    column: &str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(source),
    }
}

/// An enumeration stored as its text.
pub(crate) fn text<T: FromStr<Err = UnknownValue>>(
    row: &PgRow,
    column: &str,
) -> Result<T, sqlx::Error> {
    row.try_get::<&str, _>(column)?
        .parse()
        .map_err(|error| broken(column, error))
}

/// A SHA-256 digest.
pub(crate) fn hash(row: &PgRow, column: &str) -> Result<ContentHash, sqlx::Error> {
    ContentHash::from_slice(row.try_get(column)?).map_err(|error| broken(column, error))
}

/// A column that is never negative: ordinals, widths, counts.
pub(crate) fn unsigned(row: &PgRow, column: &str) -> Result<u32, sqlx::Error> {
    u32::try_from(row.try_get::<i32, _>(column)?).map_err(|error| broken(column, error))
}

/// A column of ordinals, an array in the row.
pub(crate) fn ordinals(row: &PgRow, column: &str) -> Result<Vec<u32>, sqlx::Error> {
    let numbers: Vec<i32> = row.try_get(column)?;
    let unsigned = |number: i32| u32::try_from(number).map_err(|error| broken(column, error));
    numbers.into_iter().map(unsigned).collect()
}

/// A 32-byte column.
pub(crate) fn digest(row: &PgRow, column: &str) -> Result<[u8; 32], sqlx::Error> {
    <[u8; 32]>::try_from(row.try_get::<&[u8], _>(column)?).map_err(|error| broken(column, error))
}

/// A count or width for a column of type integer.
pub(crate) fn to_int(value: u32) -> Result<i32, crate::StoreError> {
    i32::try_from(value)
        .map_err(|_| crate::StoreError::Malformed("a number is beyond 2,147,483,647"))
}

/// A count as an ordinal.
pub(crate) fn to_unsigned(value: usize) -> Result<u32, crate::StoreError> {
    u32::try_from(value)
        .map_err(|_| crate::StoreError::Malformed("a number is beyond 4,294,967,295"))
}
