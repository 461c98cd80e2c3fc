//! Requests into values: own extractors, because the framework's answer failures in words and shapes of their own.

mod dataset;
mod fields;
mod form;
mod json;
mod query;

pub use dataset::OpenDataset;
pub(crate) use dataset::path_parameter;
pub use fields::{Fields, FromFields, Place};
pub(crate) use form::{Form, is_form};
pub(crate) use json::{JsonBody, JsonFields, fields_of};
pub use query::Query;
