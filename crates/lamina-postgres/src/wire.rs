//! Just enough of the Postgres protocol (version 3.0) to ask "are you there?" and to run one statement without result.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::error::WireError;

/// The one role of the private cluster.
pub(crate) const ROLE: &str = "lamina";
/// The one database of the private cluster.
pub(crate) const DATABASE: &str = "lamina";
/// The database that every cluster has, used for creating ours.
pub(crate) const MAINTENANCE_DATABASE: &str = "postgres";

const PROTOCOL_3_0: u32 = 196_608;
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest message we are ready to take; the start-up answers and errors stay far below it.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// The file name that Postgres gives its socket; the number is a name only, no port is opened.
pub(crate) fn socket_file(socket_dir: &Path) -> PathBuf {
    socket_dir.join(".s.PGSQL.5432")
}

/// An open, authenticated connection.
pub(crate) struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Connects and waits until the server is ready for a query.
    ///
    /// # Errors
    /// [`WireError::Server`] with SQLSTATE 57P03 while the server is starting, recovering or shutting down.
    pub(crate) fn open(socket_dir: &Path, database: &str) -> Result<Self, WireError> {
        let stream = UnixStream::connect(socket_file(socket_dir))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Self { stream };
        connection.stream.write_all(&startup_message(database))?;
        connection.read_until_ready()?;
        Ok(connection)
    }

    /// Runs one statement and ignores its result.
    pub(crate) fn run(&mut self, statement: &str) -> Result<(), WireError> {
        let mut message = vec![b'Q'];
        message.extend(length_field(4 + statement.len() + 1));
        message.extend(statement.as_bytes());
        message.push(0);
        // Statements here create or drop a database, which waits for the disk.
        self.stream
            .set_read_timeout(Some(Duration::from_secs(60)))?;
        self.stream.write_all(&message)?;
        self.read_until_ready()
    }

    /// Reads messages up to `ReadyForQuery`; the first error of the server wins.
    fn read_until_ready(&mut self) -> Result<(), WireError> {
        let mut failure = None;
        loop {
            let message = match self.read_message() {
                Ok(message) => message,
                // After a fatal error the server closes the connection; the error says more than the closing.
                Err(error) => return Err(failure.unwrap_or(error)),
            };
            match message {
                (b'Z', _) => return failure.map_or(Ok(()), Err),
                (b'E', body) => failure = failure.or_else(|| Some(server_error(&body))),
                (b'R', body) if body.first_chunk::<4>() != Some(&[0; 4]) => {
                    return Err(WireError::Protocol(
                        "it asks for a password, which the private cluster never does",
                    ));
                }
                _ => {}
            }
        }
    }

    fn read_message(&mut self) -> Result<(u8, Vec<u8>), WireError> {
        let mut head = [0_u8; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        let Some(body_bytes) = length
            .checked_sub(4)
            .filter(|&bytes| bytes <= MAX_MESSAGE_BYTES)
        else {
            return Err(WireError::Protocol("a message of impossible length"));
        };
        let mut body = vec![0; body_bytes];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // "Terminate"; without it the server would log a lost connection. A failure here changes nothing.
        let _ = self.stream.write_all(&[b'X', 0, 0, 0, 4]);
    }
}

fn length_field(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn startup_message(database: &str) -> Vec<u8> {
    let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
    for text in [
        "user",
        ROLE,
        "database",
        database,
        "application_name",
        "lamina-postgres",
    ] {
        body.extend(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut message = length_field(4 + body.len()).to_vec();
    message.extend(body);
    message
}

/// Takes the SQLSTATE (field `C`) and the message (field `M`) out of an `ErrorResponse`.
fn server_error(body: &[u8]) -> WireError {
    let mut code = String::new();
    let mut message = String::new();
    for field in body.split(|&byte| byte == 0) {
        match field.split_first() {
            Some((b'C', text)) => code = String::from_utf8_lossy(text).into_owned(),
            Some((b'M', text)) => message = String::from_utf8_lossy(text).into_owned(),
            _ => {}
        }
    }
    WireError::Server { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_message_has_its_own_length_in_front() {
        let message = startup_message("lamina");
        let length = u32::from_be_bytes(*message.first_chunk().unwrap());
        assert_eq!(length as usize, message.len());
        assert_eq!(&message[4..8], &[0, 3, 0, 0]);
        assert!(message.ends_with(&[0, 0]));
    }

    #[test]
    fn error_fields_are_read() {
        let error =
            server_error(b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0");
        assert!(error.is_not_ready_yet());
        assert_eq!(
            error.to_string(),
            "the database system is starting up (SQLSTATE 57P03)"
        );
    }

    #[test]
    fn a_missing_database_is_told_apart() {
        assert!(server_error(b"C3D000\0Mdatabase \"x\" does not exist\0\0").is_missing_database());
    }
}
