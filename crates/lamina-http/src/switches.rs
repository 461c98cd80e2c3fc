//! What an operator has switched off is refused, and how switches are turned (contract 20.3).

use lamina_store::settings::{self, LOG_LEVEL, LogLevel, Switch};
use lamina_types::UserId;
use serde_json::Value;

use crate::ApiError;
use crate::state::AppState;

/// Settings of the contract that no part of this server listens to, with the one value they have here.
const FIXED: &[(&str, &str)] = &[
    ("VL_CHAT_ENABLED", "false"),
    ("ENRICHMENT_INLINE_FLOW_ENABLED", "false"),
    ("SWAP_RGB_CHANNELS_FOR_TIFF_HEIC", "false"),
];

/// Refuses what an operator has switched off. To be asked after the right to the dataset: 404 comes before 403.
///
/// # Errors
/// 403.
pub(crate) async fn require(state: &AppState, switch: Switch) -> Result<(), ApiError> {
    if settings::is_on(&state.pool, switch).await? {
        return Ok(());
    }
    Err(ApiError::forbidden(format!(
        "This is switched off on this server ({})",
        switch.as_str()
    )))
}

enum Setting {
    Switch(Switch),
    LogLevel,
    Fixed(&'static str),
}

fn find(key: &str) -> Result<Setting, ApiError> {
    let key = key.replace('-', "_");
    if let Some(switch) = Switch::ALL.iter().find(|switch| switch.as_str() == key) {
        return Ok(Setting::Switch(*switch));
    }
    if key == LOG_LEVEL {
        return Ok(Setting::LogLevel);
    }
    let fixed = FIXED.iter().find(|(name, _)| *name == key);
    fixed
        .map(|(_, value)| Setting::Fixed(value))
        .ok_or_else(|| ApiError::bad_request("Unknown setting"))
}

/// The value of a setting, as text.
///
/// # Errors
/// 400 for a name that is none.
pub(crate) async fn read(state: &AppState, key: &str) -> Result<String, ApiError> {
    Ok(match find(key)? {
        Setting::Fixed(value) => value.to_owned(),
        Setting::Switch(switch) => settings::is_on(&state.pool, switch).await?.to_string(),
        Setting::LogLevel => {
            let level = settings::log_level(&state.pool).await?;
            level.unwrap_or(state.config.log_level).as_str().to_owned()
        }
    })
}

/// Changes a setting; its value after that.
///
/// # Errors
/// 400 for a name that is none, a value that it cannot have, or what this server has not.
pub(crate) async fn write(
    state: &AppState,
    key: &str,
    value: &Value,
    by: UserId,
) -> Result<String, ApiError> {
    match find(key)? {
        Setting::Fixed(kept) => {
            if truth(value)? {
                return Err(ApiError::bad_request("This server has no such feature"));
            }
            Ok(kept.to_owned())
        }
        Setting::Switch(switch) => {
            let wanted = truth(value)?;
            let pool = state.pool.clone();
            let done = async move { Ok(settings::set(&pool, switch, wanted, by).await?) };
            state.run(done).await?;
            Ok(wanted.to_string())
        }
        Setting::LogLevel => {
            let wanted = value.as_str().and_then(|text| text.parse().ok());
            let wanted: LogLevel = wanted.ok_or_else(|| {
                let words: Vec<&str> = LogLevel::ALL.iter().map(|one| one.as_str()).collect();
                ApiError::bad_request(format!("The value should be one of {}", words.join(", ")))
            })?;
            let pool = state.pool.clone();
            let done = async move { Ok(settings::set_log_level(&pool, wanted, by).await?) };
            state.run(done).await?;
            Ok(wanted.as_str().to_owned())
        }
    }
}

/// The value of a switch.
fn truth(value: &Value) -> Result<bool, ApiError> {
    let wanted = match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    wanted.ok_or_else(|| ApiError::bad_request("The value should be true or false"))
}
