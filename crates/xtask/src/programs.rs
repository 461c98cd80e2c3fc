//! Running other programs, and what to say when they fail.

use std::{
    error::Error,
    ffi::OsStr,
    fmt,
    path::Path,
    process::{Command, Stdio},
};

/// What went wrong, in full, for the person at the terminal.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<lamina_postgres::PostgresError> for Failure {
    fn from(error: lamina_postgres::PostgresError) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text.push_str(": ");
            text.push_str(&source.to_string());
            cause = source.source();
        }
        Self(text)
    }
}

/// Runs a program on this terminal and wants it to succeed.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .status()
        .map_err(|error| not_startable(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{} failed ({status})",
            in_words(command)
        )))
    }
}

/// Runs a program quietly and answers what it printed; its complaints become the failure.
pub(crate) fn output_of(command: &mut Command) -> Result<String, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_startable(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!(
        "{} failed ({}):\n{}",
        in_words(command),
        output.status,
        complaint.trim_end()
    )))
}

/// Whether `program arguments` can be run at all.
pub(crate) fn works<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> bool {
    let quiet = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    quiet.is_ok_and(|status| status.success())
}

/// The SHA-256 of a file in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, Failure> {
    let python =
        "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
    let attempts: [(&str, &[&str]); 3] = [
        ("sha256sum", &[]),
        ("shasum", &["-a", "256"]),
        ("python3", &["-c", python]),
    ];
    for (program, arguments) in attempts {
        if let Ok(text) = output_of(Command::new(program).args(arguments).arg(path))
            // sha256sum puts a backslash in front when it had to escape the file's name.
            && let Some(sum) = text.trim_start_matches('\\').split_whitespace().next().filter(|sum| sum.len() == 64)
        {
            return Ok(sum.to_owned());
        }
    }
    Err(Failure::new(format!(
        "the SHA-256 of {} could not be computed: no sha256sum, shasum or python3",
        path.display()
    )))
}

fn not_startable(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "{} cannot be started: {error}",
        command.get_program().to_string_lossy()
    ))
}

fn in_words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
