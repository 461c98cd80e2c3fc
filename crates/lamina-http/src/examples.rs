//! Examples for every operation of the description: answers and bodies as they were recorded from a running server, and the
//! envelope for each way of failing.

use lamina_api::{Detail, ErrorBody, ErrorCode, FieldError};
use serde_json::{Map, Value, json};
use utoipa::openapi::content::Content;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, Ref, RefOr, Response};

/// Recorded by `tests/contract/record.py`: operation id -> `{"request": .., "answer": ..}`.
const RECORDED: &str = include_str!("examples.json");

/// What any operation may answer when a part of the server is away or broken; those that take values may find them wrong, too.
const ALWAYS: [ErrorCode; 2] = [ErrorCode::Internal, ErrorCode::Unavailable];

/// Puts examples, and the failures that every operation has in common, into the description.
pub(crate) fn add(openapi: &mut OpenApi) {
    // Checked by a test: the file is part of the program.
    let recorded: Map<String, Value> = serde_json::from_str(RECORDED).unwrap_or_default();
    for item in openapi.paths.paths.values_mut() {
        for operation in operations(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            complete(operation, recorded.get(&id));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let verbs = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ];
    verbs.into_iter().flatten()
}

fn complete(operation: &mut Operation, recorded: Option<&Value>) {
    let example = |name: &str| recorded.and_then(|one| one.get(name)).cloned();
    if let (Some(RefOr::T(body)), Some(sent)) =
        (operation.request_body.as_mut(), example("request"))
    {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = Some(sent.clone());
            }
        }
    }
    let takes_values = operation.request_body.is_some()
        || operation.parameters.iter().flatten().any(|parameter| {
            matches!(parameter, RefOr::T(parameter) if parameter.parameter_in != ParameterIn::Path)
        });
    let unreadable = takes_values.then_some(ErrorCode::Unprocessable);
    let responses = &mut operation.responses.responses;
    for code in ALWAYS.into_iter().chain(unreadable) {
        let status = code.status().to_string();
        responses
            .entry(status)
            .or_insert_with(|| RefOr::T(failure(code)));
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        let code = ErrorCode::ALL
            .iter()
            .find(|code| code.status().to_string() == *status);
        let shown = match code {
            Some(code) => Some(envelope(*code)),
            None => example("answer"),
        };
        for content in response.content.values_mut() {
            if let RefOr::T(content) = content
                && content.example.is_none()
            {
                content.example.clone_from(&shown);
            }
        }
    }
}

fn failure(code: ErrorCode) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("ErrorBody"));
    utoipa::openapi::ResponseBuilder::new()
        .description(code.default_detail())
        .content("application/json", Content::new(Some(schema)))
        .build()
}

/// What a failure looks like.
fn envelope(code: ErrorCode) -> Value {
    let detail = if code == ErrorCode::Unprocessable {
        let wrong = FieldError::new(
            "less_than_equal",
            "query",
            "threshold",
            "Input should be less than or equal to 4",
            json!("7"),
        );
        Detail::Fields(vec![wrong])
    } else {
        Detail::Text(code.default_detail().to_owned())
    };
    serde_json::to_value(ErrorBody { detail }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_can_be_read() {
        let recorded: Map<String, Value> = serde_json::from_str(RECORDED).unwrap();
        assert!(recorded.values().all(|one| one.get("answer").is_some()));
    }
}
