//! A client that asks one thing after the other over one connection, so that little of what is measured is its own.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept connection.
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            address,
            stream,
            buffer: Vec::with_capacity(1 << 20),
        })
    }

    /// The body of an answer; bytes are not looked at.
    ///
    /// # Errors
    /// Any status but 200, with the body; an answer without a length.
    pub async fn get(&mut self, target: &str) -> anyhow::Result<&[u8]> {
        let (status, body) = self.send("GET", target).await?;
        anyhow::ensure!(
            status == 200,
            "{target} was answered with {}",
            String::from_utf8_lossy(body)
        );
        Ok(body)
    }

    /// Status and body of the answer to a request without a body.
    ///
    /// # Errors
    /// A connection that breaks; an answer without a length.
    pub async fn send(&mut self, method: &str, target: &str) -> anyhow::Result<(u16, &[u8])> {
        let length = if method == "GET" {
            ""
        } else {
            "Content-Length: 0\r\n"
        };
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{length}\r\n",
            self.address
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let (head, length) = loop {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the server closed the connection"
            );
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break (end + 4, content_length(&self.buffer[..end])?);
            }
        };
        while self.buffer.len() < head + length {
            anyhow::ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the answer is cut off"
            );
        }
        let status = status(&self.buffer)?;
        Ok((status, &self.buffer[head..]))
    }
}

/// Reads what is behind an address to its end and keeps nothing of it; number of bytes.
///
/// # Errors
/// Any status but 200; an answer that is shorter than it says.
pub async fn drain(address: SocketAddr, target: &str) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(1 << 16);
    let (head, length) = loop {
        anyhow::ensure!(
            stream.read_buf(&mut buffer).await? > 0,
            "the server closed the connection"
        );
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break (end + 4, content_length(&buffer[..end])?);
        }
    };
    anyhow::ensure!(status(&buffer)? == 200, "{target} cannot be fetched");
    let mut read = (buffer.len() - head) as u64;
    loop {
        buffer.clear();
        let more = stream.read_buf(&mut buffer).await?;
        if more == 0 {
            break;
        }
        read += more as u64;
    }
    anyhow::ensure!(read == length as u64, "the answer is cut off");
    Ok(read)
}

fn status(answer: &[u8]) -> anyhow::Result<u16> {
    let code = answer.get(9..12).context("no answer of HTTP")?;
    Ok(std::str::from_utf8(code)?.parse()?)
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    length.context("the answer has no length")
}

/// Text as it is written in a query string.
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
