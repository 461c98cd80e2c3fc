//! A hub of models on the loopback that does what it is told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a hub that cannot serve has to end the test"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

/// One request that came.
#[derive(Debug, Clone)]
pub struct Request {
    /// With its query.
    pub path: String,
    /// By name in small letters.
    pub headers: BTreeMap<String, String>,
    /// How many came for this path before.
    pub earlier: usize,
}

impl Request {
    /// First byte that is asked for.
    pub fn range_start(&self) -> usize {
        let range = self.headers.get("range").map_or("bytes=0-", String::as_str);
        range
            .trim_start_matches("bytes=")
            .trim_end_matches('-')
            .parse()
            .unwrap()
    }
}

type Handler = dyn Fn(&Request, &mut TcpStream) + Send + Sync;

/// Listens until the process ends.
#[derive(Debug)]
pub struct FakeHub {
    /// `http://127.0.0.1:port`.
    pub base: String,
    /// What came so far.
    pub requests: Arc<Mutex<Vec<Request>>>,
}

impl FakeHub {
    /// Listens on a free port; the handler writes the whole answer.
    pub fn new(handler: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    if let Some(mut request) = read_request(&stream) {
                        let mut seen = seen.lock().unwrap();
                        request.earlier =
                            seen.iter().filter(|one| one.path == request.path).count();
                        seen.push(request.clone());
                        drop(seen);
                        handler(&request, &mut stream);
                    }
                });
            }
        });
        Self { base, requests }
    }

    /// Serves these files, below every path.
    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self::new(
            move |request, stream| match content_of(&files, &request.path) {
                Some(bytes) => File::new(bytes).send(request, stream),
                None => status(stream, 404, ""),
            },
        )
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// The file that a path ends with.
pub fn content_of<'a>(files: &'a BTreeMap<String, Vec<u8>>, path: &str) -> Option<&'a [u8]> {
    let found = files
        .iter()
        .find(|(name, _)| path.ends_with(&format!("/{name}")));
    found.map(|(_, bytes)| bytes.as_slice())
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    Some(Request {
        path,
        headers,
        earlier: 0,
    })
}

/// How a file is served.
#[derive(Debug)]
pub struct File<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// Bytes after which the connection is cut.
    pub cut_after: Option<usize>,
    /// Bytes more than there are, as the length says it.
    pub lie: i64,
    /// Whether it can be had in parts.
    pub takes_ranges: bool,
    /// Names this content.
    pub etag: Option<String>,
    /// Further headers, each ended by CR LF.
    pub headers: String,
}

impl<'a> File<'a> {
    /// Served as an honest hub does.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            cut_after: None,
            lie: 0,
            takes_ranges: true,
            etag: Some(format!("\"{}\"", hash(bytes))),
            headers: String::new(),
        }
    }

    /// Answers a request.
    pub fn send(&self, request: &Request, stream: &mut TcpStream) {
        let asked = request.range_start();
        let is_same = match (&self.etag, request.headers.get("if-range")) {
            (Some(etag), Some(wanted)) => etag == wanted,
            (_, wanted) => wanted.is_none(),
        };
        let start = if self.takes_ranges && is_same {
            asked
        } else {
            0
        };
        let rest = &self.bytes[start..];
        let length = rest.len() as i64 + self.lie;
        let mut head = if start > 0 {
            let (last, total) = (self.bytes.len() - 1, self.bytes.len());
            format!("HTTP/1.1 206 Partial\r\ncontent-range: bytes {start}-{last}/{total}\r\n")
        } else {
            "HTTP/1.1 200 OK\r\n".to_owned()
        };
        if let Some(etag) = &self.etag {
            head += &format!("etag: {etag}\r\n");
        }
        head += &self.headers;
        head += &format!("content-length: {length}\r\nconnection: close\r\n\r\n");
        let end = self.cut_after.unwrap_or(rest.len()).min(rest.len());
        // Whoever hangs up early has seen enough.
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&rest[..end]);
    }
}

/// An answer without a body.
pub fn status(stream: &mut TcpStream, status: u16, headers: &str) {
    let head =
        format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
}

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    lamina_types::ContentHash::from_bytes(Sha256::digest(bytes).into()).to_hex()
}

/// The smallest ONNX file that has a graph, made long and unlike others by its description.
pub fn onnx(word: &str, length: usize) -> Vec<u8> {
    let text: Vec<u8> = word.bytes().cycle().take(length).collect();
    let mut bytes = vec![0x3a, 0x00, 0x32];
    let mut left = text.len();
    while left >= 0x80 {
        bytes.push((left as u8 & 0x7f) | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes.extend(text);
    bytes
}
