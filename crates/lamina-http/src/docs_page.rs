//! The page that lists the operations, made once from the same description that machines get.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{OpenApi, RefOr};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
h1{font-size:1.6rem}section{border-top:1px solid #d5dae2;padding:.6rem 0}code{font:14px ui-monospace,monospace}\
.verb{display:inline-block;min-width:4.5rem;font-weight:600}ul{margin:.3rem 0 .3rem 1.2rem;padding:0}\
p{margin:.3rem 0}a{color:#0b57d0}@media(prefers-color-scheme:dark){body{background:#14181f;color:#dfe5ee}\
section{border-color:#333b47}a{color:#8ab4f8}}";

/// Description and page. Cheap to clone.
#[derive(Clone)]
pub(crate) struct DocsPage(Arc<Inner>);

struct Inner {
    openapi: OpenApi,
    html: String,
    policy: String,
}

impl DocsPage {
    pub(crate) fn new(openapi: OpenApi) -> Self {
        let html = render(&openapi);
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'"
        );
        Self(Arc::new(Inner {
            openapi,
            html,
            policy,
        }))
    }

    pub(crate) fn openapi(&self) -> &OpenApi {
        &self.0.openapi
    }

    pub(crate) fn html(&self) -> String {
        self.0.html.clone()
    }

    pub(crate) fn policy(&self) -> &str {
        &self.0.policy
    }
}

fn render(openapi: &OpenApi) -> String {
    let title = escape(&openapi.info.title);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head><body><h1>{title} {}</h1>\
         <p>{}</p><p>For programs: <a href=\"openapi.json\">openapi.json</a></p>",
        escape(&openapi.info.version),
        escape(openapi.info.description.as_deref().unwrap_or_default()),
    );
    for (path, item) in &openapi.paths.paths {
        let verbs = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("DELETE", &item.delete),
            ("PATCH", &item.patch),
        ];
        for (verb, operation) in verbs {
            if let Some(operation) = operation {
                render_operation(&mut page, verb, path, operation);
            }
        }
    }
    page.push_str("</body></html>");
    page
}

fn render_operation(page: &mut String, verb: &str, path: &str, operation: &Operation) {
    let id = escape(operation.operation_id.as_deref().unwrap_or_default());
    let summary = operation
        .summary
        .as_deref()
        .or(operation.description.as_deref())
        .unwrap_or_default();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<section id=\"{id}\"><p><span class=\"verb\">{verb}</span><code>{}</code></p><p>{}</p><ul>",
        escape(path),
        escape(summary)
    );
    for parameter in operation.parameters.iter().flatten() {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        let description = escape(parameter.description.as_deref().unwrap_or_default());
        let _ = write!(
            page,
            "<li><code>{}</code> {description}</li>",
            escape(&parameter.name)
        );
    }
    page.push_str("</ul></section>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escape("<a href=\"x\" id='y'>&"),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;"
        );
    }

    #[test]
    fn every_operation_is_on_the_page() {
        let openapi = crate::openapi();
        let page = DocsPage::new(openapi.clone());
        for path in openapi.paths.paths.keys() {
            assert!(page.html().contains(&escape(path)), "{path} is missing");
        }
        assert!(!page.html().contains("<script"));
    }
}
