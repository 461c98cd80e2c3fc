//! `lamina openapi`: the description of the API on standard output.

use std::process::ExitCode;

use crate::output;

/// Prints the document as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub fn run() -> anyhow::Result<ExitCode> {
    output::line(serde_json::to_string_pretty(&lamina_http::openapi())?);
    Ok(ExitCode::SUCCESS)
}
