//! Requests made from the description.

use axum::body::Body;
use http::{Request, header};
use serde_json::Value;
use uuid::Uuid;

use super::people::{Cast, Person};
use super::things::Ids;
use crate::app::{PNG, TestApp, multipart};

/// An operation as the description has it.
pub struct Operation {
    pub id: String,
    method: String,
    path: String,
    /// Content type of the body, if it has one.
    body: Option<String>,
}

/// An answer, without what differs between any two.
#[derive(Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: u16,
    headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Operation {
    pub fn all() -> Vec<Self> {
        let document = serde_json::to_value(lamina_http::openapi()).unwrap();
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let content = operation["requestBody"]["content"].as_object();
                all.push(Self {
                    id: operation["operationId"].as_str().unwrap().to_owned(),
                    method: method.to_uppercase(),
                    path: path.clone(),
                    body: content.and_then(|kinds| kinds.keys().next().cloned()),
                });
            }
        }
        assert!(all.len() > 30, "the description has lost its operations");
        all
    }

    /// Calls it for the things of these ids. An id the test knows nothing of is one that was never given out.
    pub async fn call(
        &self,
        app: &TestApp,
        cast: &Cast,
        person: Person,
        query: &str,
        ids: &Ids,
    ) -> Seen {
        let target = format!("{}{query}", self.path);
        let target = target
            .split('{')
            .enumerate()
            .map(|(index, part)| match part.split_once('}') {
                Some((name, rest)) if index > 0 => {
                    let id = ids.get(name).cloned();
                    format!("{}{rest}", id.unwrap_or_else(|| Uuid::nil().to_string()))
                }
                _ => part.to_owned(),
            })
            .collect::<String>();
        let mut request = Request::builder()
            .method(self.method.as_str())
            .uri(target)
            .header(header::HOST, "lamina.test:2080");
        if let Some(token) = cast.token_of(app, person).await {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let (kind, body) = match self.body.as_deref() {
            Some("multipart/form-data") => {
                let body = multipart(&[("file", Some("a.png"), PNG)]);
                let kind = "multipart/form-data; boundary=a-boundary-that-does-not-occur";
                (Some(kind.to_owned()), Body::from(body))
            }
            Some("application/json") => {
                let kind = "application/json".to_owned();
                (
                    Some(kind),
                    Body::from(Value::Object(Default::default()).to_string()),
                )
            }
            Some(other) => (Some(other.to_owned()), Body::empty()),
            None => (None, Body::empty()),
        };
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let answer = app.send_for_head(request.body(body).unwrap()).await;
        let headers = answer
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value:?}"));
        Seen {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: answer.body,
        }
    }
}
