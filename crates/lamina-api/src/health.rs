//! Health (contract 19.2).

use serde::Serialize;
use utoipa::ToSchema;

/// Answer of `GET /healthcheck`, also when it is not healthy (then with `detail`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthAnswer {
    /// `Green` or `Red`.
    pub status: String,
    /// `none`, or what is wrong.
    #[serde(rename = "service-health-message")]
    pub message: String,
    /// Version of Lamina.
    pub version: String,
    /// What is wrong, as in every other error; only sent with 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl HealthAnswer {
    /// Everything works.
    pub fn green(version: &str) -> Self {
        Self {
            status: "Green".to_owned(),
            message: "none".to_owned(),
            version: version.to_owned(),
            detail: None,
        }
    }

    /// Something is missing.
    pub fn red(version: &str, problem: &str) -> Self {
        let detail = Some(problem.to_owned());
        Self {
            status: "Red".to_owned(),
            message: problem.to_owned(),
            version: version.to_owned(),
            detail,
        }
    }
}

/// Answer of `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReadyAnswer {
    /// Whether requests can be served.
    pub ready: bool,
    /// What is missing; empty when ready.
    pub problems: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_answer_has_exactly_three_fields() {
        assert_eq!(
            serde_json::to_string(&HealthAnswer::green("0.1.0")).unwrap(),
            r#"{"status":"Green","service-health-message":"none","version":"0.1.0"}"#
        );
    }
}
