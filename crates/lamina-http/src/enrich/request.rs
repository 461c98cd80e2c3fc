//! The body of an enrichment request (contract 2.3): type -> model id, or type -> model id with options.

use lamina_api::{FieldError, LocPart};
use lamina_types::{EnrichmentType, Slot};
use serde_json::{Map, Value};

use crate::ApiError;

/// Longest prompt, characters.
const LONGEST_PROMPT: usize = 1_000;

/// Most of a wrong value that is sent back, characters.
const MAX_ECHO: usize = 200;

/// One model that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it adds.
    pub enrichment_type: EnrichmentType,
    /// What the API calls it.
    pub slot: &'static Slot,
    /// What a captioner is told.
    pub prompt: Option<String>,
}

/// Models that are asked for, one of each type, dependencies first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichRequest(pub Vec<Wanted>);

impl EnrichRequest {
    /// Reads a body; reports all that is wrong with it as one 422.
    ///
    /// # Errors
    /// Not an object, `enrichment_models` missing or empty, an unknown type or model, a model of another type.
    pub fn read(body: &Value) -> Result<Self, ApiError> {
        let Some(models) = body.as_object().map(|body| body.get("enrichment_models")) else {
            return Err(only(wrong(
                "dict_type",
                &[],
                "Input should be an object",
                body,
            )));
        };
        let models = match models {
            None | Some(Value::Null) => {
                return Err(only(wrong("missing", &[], "Field required", &Value::Null)));
            }
            Some(Value::Object(models)) if models.is_empty() => {
                let message = "At least one model is required";
                return Err(only(wrong("too_short", &[], message, &Value::Null)));
            }
            Some(Value::Object(models)) => models,
            Some(other) => {
                let message = "Input should be an object of types and models";
                return Err(only(wrong("dict_type", &[], message, other)));
            }
        };
        let (mut wanted, mut errors) = (Vec::new(), Vec::new());
        for (kind, model) in models {
            match read_one(kind, model) {
                Ok(one) => wanted.push(one),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(ApiError::fields(errors));
        }
        Ok(Self::new(wanted))
    }

    /// Puts dependencies first.
    pub fn new(mut wanted: Vec<Wanted>) -> Self {
        wanted.sort_by_key(|one| {
            let kind = one.enrichment_type;
            (!kind.dependencies().is_empty(), kind)
        });
        Self(wanted)
    }

    /// Whether a type is asked for.
    pub fn has(&self, kind: EnrichmentType) -> bool {
        self.0.iter().any(|one| one.enrichment_type == kind)
    }
}

fn read_one(kind: &str, model: &Value) -> Result<Wanted, FieldError> {
    let at = |error: &str, message: String, input: &Value| wrong(error, &[kind], &message, input);
    let enrichment_type: EnrichmentType = kind.parse().map_err(|_| {
        let known: Vec<&str> = EnrichmentType::ALL
            .iter()
            .map(|known| known.as_str())
            .collect();
        let message = format!("Unknown enrichment type, known are {}", known.join(", "));
        at("enum", message, &Value::String(kind.to_owned()))
    })?;
    let (id, options) = match model {
        Value::String(id) => (id.as_str(), None),
        Value::Object(options) => match options.get("id").and_then(Value::as_str) {
            Some(id) => (id, options.get("metadata").and_then(Value::as_object)),
            None => return Err(at("missing", "A model needs an id".to_owned(), model)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            let message = "Input should be a model id, or an object with one".to_owned();
            return Err(at("string_type", message, model));
        }
    };
    let slot = Slot::find(id).ok_or_else(|| at("enum", "Unknown model".to_owned(), model))?;
    if slot.enrichment_type != enrichment_type {
        let message = format!(
            "The model {} is for {}, not for {enrichment_type}",
            slot.id, slot.enrichment_type
        );
        return Err(at("value_error", message, model));
    }
    let prompt = match options {
        Some(options) => prompt_of(kind, options)?,
        None => None,
    };
    Ok(Wanted {
        enrichment_type,
        slot,
        prompt,
    })
}

/// The one option that is known; others are ignored.
fn prompt_of(kind: &str, options: &Map<String, Value>) -> Result<Option<String>, FieldError> {
    let prompt = match options.get("prompt") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(prompt)) => prompt,
        Some(other) => {
            let message = "Input should be a text";
            return Err(wrong("string_type", &[kind, "prompt"], message, other));
        }
    };
    let is_plain = !prompt
        .chars()
        .any(|character| character.is_control() && !matches!(character, '\n' | '\t'));
    if !is_plain || prompt.chars().count() > LONGEST_PROMPT {
        let message = format!("A prompt has at most {LONGEST_PROMPT} characters, none of control");
        let input = Value::String(prompt.clone());
        return Err(wrong("value_error", &[kind, "prompt"], &message, &input));
    }
    let prompt = prompt.trim();
    Ok((!prompt.is_empty()).then(|| prompt.to_owned()))
}

/// A wrong value at `body.enrichment_models` and below.
fn wrong(kind: &str, below: &[&str], message: &str, input: &Value) -> FieldError {
    let echo = match input {
        Value::String(text) => Value::String(text.chars().take(MAX_ECHO).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => input.clone(),
        // Whatever was sent, an answer stays small.
        Value::Array(_) | Value::Object(_) => Value::Null,
    };
    let mut error = FieldError::new(kind, "body", "enrichment_models", message, echo);
    let steps = below.iter().map(|step| {
        let short: String = step.chars().take(MAX_ECHO).collect();
        LocPart::Name(short)
    });
    error.loc.extend(steps);
    error
}

pub(super) fn only(error: FieldError) -> ApiError {
    ApiError::fields(vec![error])
}

/// The slot of this type cannot be used.
pub(super) fn coming_soon(one: &Wanted) -> FieldError {
    let message = format!("The model {} is not available: Coming Soon", one.slot.id);
    let input = Value::String(one.slot.id.to_owned());
    wrong(
        "value_error",
        &[one.enrichment_type.as_str()],
        &message,
        &input,
    )
}

#[cfg(test)]
mod tests {
    use lamina_api::Detail;
    use serde_json::json;

    use super::*;

    fn kinds(body: Value) -> Vec<String> {
        let error = EnrichRequest::read(&body).unwrap_err();
        let Detail::Fields(fields) = error.detail() else {
            panic!("{error}");
        };
        fields.iter().map(|field| field.kind.clone()).collect()
    }

    #[test]
    fn ids_and_objects_with_ids_are_read_and_dependencies_come_first() {
        let body = json!({"enrichment_models": {
            "CAPTION_OBJECTS": "vl_object_captioner_v00",
            "CAPTION_IMAGES": {"id": "vl_image_captioner_v00", "metadata": {"prompt": " Describe it ", "top_k": 3}},
            "OBJECT_DETECTION": {"id": "vl_object_detector_v00"},
        }});
        let EnrichRequest(wanted) = EnrichRequest::read(&body).unwrap();
        let types: Vec<EnrichmentType> = wanted.iter().map(|one| one.enrichment_type).collect();
        assert_eq!(
            types,
            [
                EnrichmentType::CaptionImages,
                EnrichmentType::ObjectDetection,
                EnrichmentType::CaptionObjects
            ]
        );
        assert_eq!(wanted[0].prompt.as_deref(), Some("Describe it"));
        assert_eq!(wanted[2].prompt, None);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let of = |models: Value| json!({ "enrichment_models": models });
        assert_eq!(kinds(json!({})), ["missing"]);
        assert_eq!(kinds(json!([])), ["dict_type"]);
        assert_eq!(kinds(of(json!({}))), ["too_short"]);
        assert_eq!(kinds(of(json!(["CAPTION_IMAGES"]))), ["dict_type"]);
        let two = json!({"CAPTION_IMAGES": "vl_object_detector_v00", "OBJECT_DETECTION": "yolo", "FACES": 1});
        assert_eq!(kinds(of(two)), ["value_error", "enum", "enum"]);
        let shapes = json!({"CAPTION_IMAGES": 3, "OBJECT_DETECTION": {"name": "x"}});
        assert_eq!(kinds(of(shapes)), ["string_type", "missing"]);
        let prompt = |prompt: Value| {
            of(
                json!({"CAPTION_IMAGES": {"id": "vl_image_captioner_v00", "metadata": {"prompt": prompt}}}),
            )
        };
        assert_eq!(kinds(prompt(json!(7))), ["string_type"]);
        assert_eq!(kinds(prompt(json!("a\u{0}b"))), ["value_error"]);
        assert_eq!(kinds(prompt(json!("x".repeat(1_001)))), ["value_error"]);
    }
}
