//! Which model package answers to each slot: what the operator bound, over what the installation brings along.
//!
//! Outputs are keyed by package and parameters, so binding another package changes what is made from then on and nothing that was made.

use std::sync::Arc;

use lamina_types::SpaceKey;
use serde_json::{Map, Value};
use sqlx::{FromRow, PgExecutor, Row, postgres::PgRow};

use crate::StoreError;

/// One slot and what answers to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Binding {
    /// Id of the slot.
    pub slot: String,
    /// `name@version`.
    pub package: String,
    /// What outputs are keyed by beside the package: `score_threshold`, `beams`, `prompt`.
    pub parameters: Map<String, Value>,
}

impl Binding {
    /// What outputs made through this binding are keyed by.
    pub fn key(&self) -> SpaceKey {
        SpaceKey {
            package: self.package.clone(),
            parameters: canonical(&self.parameters),
        }
    }
}

impl FromRow<'_, PgRow> for Binding {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let sqlx::types::Json(parameters) = row.try_get("parameters")?;
        Ok(Self {
            slot: row.try_get("slot")?,
            package: row.try_get("package")?,
            parameters,
        })
    }
}

/// The one text of these parameters: JSON with sorted names and without spaces; empty when there are none.
pub fn canonical(parameters: &Map<String, Value>) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    // `Display` of a JSON object sorts its names: the map is a tree, checked by a test.
    Value::Object(parameters.clone()).to_string()
}

/// Binds a slot, or binds it anew.
///
/// # Errors
/// The database.
pub async fn put(ex: impl PgExecutor<'_>, binding: &Binding) -> Result<(), StoreError> {
    let sql = "insert into slot_bindings (slot, package, parameters) values ($1, $2, $3) \
               on conflict (slot) do update set package = excluded.package, parameters = excluded.parameters, bound_at = now()";
    sqlx::query(sql)
        .bind(&binding.slot)
        .bind(&binding.package)
        .bind(sqlx::types::Json(&binding.parameters))
        .execute(ex)
        .await?;
    Ok(())
}

/// Gives a slot back to its default; whether it was bound.
///
/// # Errors
/// The database.
pub async fn remove(ex: impl PgExecutor<'_>, slot: &str) -> Result<bool, StoreError> {
    let sql = "delete from slot_bindings where slot = $1";
    let done = sqlx::query(sql).bind(slot).execute(ex).await?;
    Ok(done.rows_affected() > 0)
}

/// The slots that the operator bound.
///
/// # Errors
/// The database.
pub async fn list(ex: impl PgExecutor<'_>) -> Result<Vec<Binding>, StoreError> {
    let sql = "select * from slot_bindings order by slot";
    Ok(sqlx::query_as(sql).fetch_all(ex).await?)
}

/// What the operator bound to a slot.
///
/// # Errors
/// The database.
pub async fn find(ex: impl PgExecutor<'_>, slot: &str) -> Result<Option<Binding>, StoreError> {
    let sql = "select * from slot_bindings where slot = $1";
    Ok(sqlx::query_as(sql).bind(slot).fetch_optional(ex).await?)
}

/// All bindings of an installation: those fixed for this process, then those in the database, then the defaults. A cheap handle that
/// keeps no row, so a slot bound anew counts at once in every process.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    fixed: Arc<[Binding]>,
    defaults: Arc<[Binding]>,
}

impl Bindings {
    /// `fixed` ones hold whatever the database says.
    pub fn new(fixed: Vec<Binding>, defaults: Vec<Binding>) -> Self {
        Self {
            fixed: fixed.into(),
            defaults: defaults.into(),
        }
    }

    /// What answers to this slot now; `None` for a slot that nothing is bound to.
    ///
    /// # Errors
    /// The database.
    pub async fn of(
        &self,
        ex: impl PgExecutor<'_>,
        slot: &str,
    ) -> Result<Option<Binding>, StoreError> {
        if let Some(fixed) = self.fixed(slot) {
            return Ok(Some(fixed.clone()));
        }
        let found = find(ex, slot).await?;
        Ok(found.or_else(|| named(&self.defaults, slot).cloned()))
    }

    /// What answers to every slot now, by slot.
    ///
    /// # Errors
    /// The database.
    pub async fn all(&self, ex: impl PgExecutor<'_>) -> Result<Vec<Binding>, StoreError> {
        let bound = list(ex).await?;
        let mut all: Vec<Binding> = Vec::new();
        for binding in self.fixed.iter().chain(&bound).chain(self.defaults.iter()) {
            if named(&all, &binding.slot).is_none() {
                all.push(binding.clone());
            }
        }
        all.sort_by(|a, b| a.slot.cmp(&b.slot));
        Ok(all)
    }

    /// The binding that this process was started with and no other can replace.
    pub fn fixed(&self, slot: &str) -> Option<&Binding> {
        named(&self.fixed, slot)
    }

    /// What a slot is bound to when the operator says nothing.
    pub fn default_of(&self, slot: &str) -> Option<&Binding> {
        named(&self.defaults, slot)
    }
}

fn named<'a>(bindings: &'a [Binding], slot: &str) -> Option<&'a Binding> {
    bindings.iter().find(|binding| binding.slot == slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_one_text_whatever_their_order() {
        let of = |text: &str| canonical(&serde_json::from_str(text).unwrap());
        let text = of("{ \"prompt\": \"<CAPTION>\", \"beams\": 3, \"a\": {\"z\": 1, \"b\": 2} }");
        assert_eq!(
            text,
            "{\"a\":{\"b\":2,\"z\":1},\"beams\":3,\"prompt\":\"<CAPTION>\"}"
        );
        assert_eq!(of("{}"), "");
    }
}
