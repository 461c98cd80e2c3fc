//! Standard output carries answers, and only answers.

use std::io::Write as _;

/// Prints a line of the answer. A reader that went away (`| head`) is no error.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a value as one line of JSON.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?);
    Ok(())
}
