//! JSON whose objects name every member once. The usual reading keeps the last of several; of a filter that is written twice it
//! would drop one without a word, and the answer would be wrong.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A JSON value.
pub(super) struct OnceEach(pub(super) Value);

impl<'de> Deserialize<'de> for OnceEach {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(OnceEach(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                let shown: String = key.chars().take(40).filter(|c| !c.is_control()).collect();
                return Err(A::Error::custom(format!(
                    "the member {shown:?} comes twice"
                )));
            }
            let OnceEach(value) = members.next_value()?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Result<Value, String> {
        let read: Result<OnceEach, _> = serde_json::from_str(document);
        read.map(|OnceEach(value)| value).map_err(|e| e.to_string())
    }

    #[test]
    fn values_are_what_they_always_are() {
        let document = r#"[null,true,-3,7,0.5,1e300,"a\"b",[],{"a":{"b":[1]}}]"#;
        let usual: Value = serde_json::from_str(document).unwrap();
        assert_eq!(read(document), Ok(usual));
    }

    #[test]
    fn a_member_that_comes_twice_is_an_error_at_any_depth() {
        for document in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"a":3}}]"#] {
            let error = read(document).unwrap_err();
            assert!(error.contains("\"a\" comes twice"), "{error}");
        }
        assert!(read(&"[".repeat(10_000)).is_err(), "depth is limited");
    }
}
