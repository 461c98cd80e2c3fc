//! Values of custom metadata as clients send and read them.

use chrono::{DateTime, NaiveDateTime, Utc};
use lamina_store::custom_fields::{CustomField, CustomValue, FieldType};
use serde_json::Value;

/// Longest text, in characters.
const MAX_TEXT: usize = 255;

/// Longest address, in characters.
const MAX_LINK: usize = 2_048;

/// How moments are written.
const MOMENT: &str = "%Y-%m-%dT%H:%M:%SZ";

/// Reads a value of a field; what is wrong with it otherwise.
pub(super) fn read(field: &CustomField, value: &Value) -> Result<CustomValue, &'static str> {
    match field.field_type {
        FieldType::String => {
            let text = value.as_str().ok_or("Expected String")?;
            fits(text, MAX_TEXT)?;
            Ok(CustomValue::Texts(vec![text.to_owned()]))
        }
        FieldType::Link => {
            let text = value.as_str().ok_or("Expected Link")?;
            fits(text, MAX_LINK)?;
            let is_link = ["http://", "https://"]
                .iter()
                .any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
            if !is_link || text.contains(char::is_whitespace) {
                return Err("Expected Link");
            }
            Ok(CustomValue::Texts(vec![text.to_owned()]))
        }
        FieldType::Float => {
            let number = value.as_f64().filter(|number| number.is_finite());
            number.map(CustomValue::Number).ok_or("Expected Float")
        }
        FieldType::Datetime => {
            let moment = value.as_str().and_then(moment);
            moment.map(CustomValue::Moment).ok_or("Expected Datetime")
        }
        FieldType::Enum => options(field, value).map(CustomValue::Texts),
    }
}

fn fits(text: &str, most: usize) -> Result<(), &'static str> {
    if text.contains('\0') {
        return Err("Text must not contain NUL");
    }
    if text.chars().count() > most {
        return Err("Text is too long");
    }
    Ok(())
}

/// The form of the contract; fractions of a second are cut off, other zones are understood.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    let read = zoned.or_else(|_| {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|moment| moment.and_utc())
    });
    DateTime::from_timestamp(read.ok()?.timestamp(), 0)
}

fn options(field: &CustomField, value: &Value) -> Result<Vec<String>, &'static str> {
    let list = match value {
        Value::Array(list) if field.is_multi => list.as_slice(),
        Value::String(_) => std::slice::from_ref(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(if field.is_multi {
                "Expected Array of Enum options"
            } else {
                "Expected Enum option"
            });
        }
    };
    let mut found: Vec<String> = Vec::with_capacity(list.len());
    for option in list {
        let option = option.as_str().ok_or("Expected Enum option")?;
        if !field.enum_options.iter().any(|known| known == option) {
            return Err("Unknown Enum option");
        }
        if !found.iter().any(|known| known == option) {
            found.push(option.to_owned());
        }
    }
    if found.is_empty() {
        return Err("Expected Enum option");
    }
    Ok(found)
}

/// As sent.
pub(super) fn shown(field: &CustomField, value: CustomValue) -> Value {
    match value {
        CustomValue::Texts(texts) if field.is_multi => Value::from(texts),
        CustomValue::Texts(texts) => texts.into_iter().next().into(),
        CustomValue::Number(number) => Value::from(number),
        CustomValue::Moment(moment) => Value::from(moment.format(MOMENT).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(field_type: FieldType, is_multi: bool) -> CustomField {
        CustomField {
            id: uuid::Uuid::nil(),
            name: "weather".to_owned(),
            field_type,
            enum_options: vec!["Low".to_owned(), "High".to_owned()],
            is_multi,
            status: "INIT".to_owned(),
            inserted_rows: 0,
            error_count: 0,
            sample_errors: json!([]),
        }
    }

    /// What a value is shown as after it was read.
    fn round(field_type: FieldType, is_multi: bool, value: &Value) -> Result<Value, &'static str> {
        let field = field(field_type, is_multi);
        read(&field, value).map(|value| shown(&field, value))
    }

    #[test]
    fn values_come_back_as_they_were_sent() {
        use FieldType::{Datetime, Enum, Float, Link, String};
        for (field_type, is_multi, value) in [
            (String, false, json!("rain")),
            (Float, false, json!(23.5)),
            (Datetime, false, json!("2026-03-31T16:47:19Z")),
            (Enum, false, json!("High")),
            (Enum, true, json!(["Low", "High"])),
            (Link, false, json!("https://example.com/a?b=c")),
        ] {
            assert_eq!(round(field_type, is_multi, &value), Ok(value));
        }
        assert_eq!(round(Float, false, &json!(3)), Ok(json!(3.0)));
        assert_eq!(
            round(Datetime, false, &json!("2026-03-31T18:47:19.9+02:00")),
            Ok(json!("2026-03-31T16:47:19Z"))
        );
        assert_eq!(round(Enum, true, &json!("Low")), Ok(json!(["Low"])));
    }

    #[test]
    fn what_is_wrong_is_said() {
        use FieldType::{Datetime, Enum, Float, Link, String};
        for (field_type, is_multi, value, reason) in [
            (String, false, json!(7), "Expected String"),
            (String, false, json!("a".repeat(256)), "Text is too long"),
            (String, false, json!("\u{0}"), "Text must not contain NUL"),
            (Float, false, json!("7"), "Expected Float"),
            (Datetime, false, json!("yesterday"), "Expected Datetime"),
            (Enum, false, json!("Middle"), "Unknown Enum option"),
            (Enum, false, json!(["Low"]), "Expected Enum option"),
            (Enum, true, json!([]), "Expected Enum option"),
            (Enum, true, json!(7), "Expected Array of Enum options"),
            (Link, false, json!("javascript:alert(1)"), "Expected Link"),
            (Link, false, json!(null), "Expected Link"),
        ] {
            assert_eq!(round(field_type, is_multi, &value), Err(reason), "{value}");
        }
    }
}
