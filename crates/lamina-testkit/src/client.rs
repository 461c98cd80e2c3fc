//! A small HTTP/1.1 client over the standard library: one request, one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context as _;

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header lines as sent.
    pub head: String,
    /// The body, taken out of its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "{} is no JSON: {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
}

/// A file of a multipart form.
pub struct FormFile<'a> {
    /// Name of the field.
    pub field: &'a str,
    /// Name of the file.
    pub file_name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Speaks to one server, with a token if there is one.
#[derive(Debug, Clone)]
pub struct Client {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Sent as a bearer token.
    pub token: Option<String>,
}

impl Client {
    /// A GET.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.request("GET", path, None, &[])
    }

    /// A DELETE.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.request("DELETE", path, None, &[])
    }

    /// A POST of a JSON document.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn post_json(&self, path: &str, body: &serde_json::Value) -> anyhow::Result<Answer> {
        let kind = Some("application/json");
        self.request("POST", path, kind, body.to_string().as_bytes())
    }

    /// A request with a body.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        content_type: Option<&str>,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.address
        );
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if let Some(kind) = content_type {
            head.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes())?;
        // A server that refuses early closes while the body is still being sent; its answer is what counts.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parse(&answer)
    }

    /// A POST of files as a multipart form.
    ///
    /// # Errors
    /// No connection, or no HTTP.
    pub fn post_files(&self, path: &str, files: &[FormFile<'_>]) -> anyhow::Result<Answer> {
        const BOUNDARY: &str = "lamina-test-boundary";
        let mut body = Vec::new();
        for file in files {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\n\r\n",
                file.field, file.file_name
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(file.bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.request(
            "POST",
            path,
            Some(&format!("multipart/form-data; boundary={BOUNDARY}")),
            &body,
        )
    }
}

fn parse(bytes: &[u8]) -> anyhow::Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("the answer has no head")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head
        .split(' ')
        .nth(1)
        .context("the answer has no status")?
        .parse()?;
    let rest = &bytes[end + 4..];
    let is_chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if is_chunked {
        unchunk(rest)?
    } else {
        rest.to_vec()
    };
    Ok(Answer { status, head, body })
}

fn unchunk(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest
            .windows(2)
            .position(|window| window == b"\r\n")
            .context("a chunk without a length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line])?.trim(), 16)?;
        if length == 0 {
            return Ok(body);
        }
        let data = rest
            .get(line + 2..line + 2 + length)
            .context("a chunk was cut off")?;
        body.extend_from_slice(data);
        rest = rest
            .get(line + 4 + length..)
            .context("a chunk was cut off")?;
    }
}
