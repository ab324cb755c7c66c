//! As much of HTTP as the tests need: one connection a request.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::PATIENCE;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub text: String,
}

impl Answer {
    /// Of a header, by its name in small letters.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

fn head(method: &str, path: &str, token: &str, kind: &str, length: u64) -> String {
    let token = if token.is_empty() { String::new() } else { format!("x-auth-token: {token}\r\n") };
    let body = if length == 0 && kind.is_empty() {
        String::new()
    } else {
        format!("content-type: {kind}\r\ncontent-length: {length}\r\n")
    };
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}{body}\r\n")
}

/// The head of the answer, and the beginning of its body.
fn read_head(stream: &mut TcpStream) -> (u16, String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut piece).expect("an answer");
        assert!(read > 0, "no answer, only {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..read]);
    };
    let rest = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head, rest)
}

fn answer(stream: &mut TcpStream) -> Answer {
    let (status, head, mut body) = read_head(stream);
    stream.read_to_end(&mut body).expect("a body");
    Answer { status, head, text: String::from_utf8_lossy(&body).into_owned() }
}

/// # Panics
/// When there is no answer.
pub fn get(address: &str, path: &str) -> Answer {
    call(address, "GET", path, "", &Value::Null)
}

pub(crate) fn call(address: &str, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let kind = if body.is_empty() { "" } else { "application/json" };
    let mut stream = connect(address);
    let request = head(method, path, token, kind, body.len() as u64) + &body;
    stream.write_all(request.as_bytes()).expect("the request is taken");
    answer(&mut stream)
}

/// A stream of bytes to the server, in the test's own time.
pub struct Upload(TcpStream);

impl Upload {
    /// Sends the head of a `PUT`.
    ///
    /// # Panics
    /// When there is no connection.
    pub fn begin(address: &str, path: &str, token: &str, length: u64) -> Self {
        let mut stream = connect(address);
        let head = head("PUT", path, token, "application/octet-stream", length);
        stream.write_all(head.as_bytes()).expect("the head is taken");
        Self(stream)
    }

    /// False: the server takes no more; its answer says why.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// What the server said before it broke the connection off; none: that was lost on the way.
    pub fn last_words(mut self) -> Option<u16> {
        let mut bytes = [0; 64];
        let read = self.0.read(&mut bytes).ok()?;
        String::from_utf8_lossy(&bytes[..read]).split(' ').nth(1)?.parse().ok()
    }

    /// # Panics
    /// When there is no answer.
    pub fn answer(mut self) -> Answer {
        answer(&mut self.0)
    }
}

/// Gets a body piece by piece: gives its head's answer and the number of its bytes.
///
/// # Panics
/// When there is no answer.
pub fn download(address: &str, path: &str, token: &str, mut take: impl FnMut(&[u8])) -> (Answer, u64) {
    let mut stream = connect(address);
    stream.write_all(head("GET", path, token, "", 0).as_bytes()).expect("the request is taken");
    let (status, head, rest) = read_head(&mut stream);
    take(&rest);
    let mut taken = rest.len() as u64;
    let mut piece = vec![0; 1 << 20];
    loop {
        match stream.read(&mut piece).expect("a body") {
            0 => break,
            read => {
                take(&piece[..read]);
                taken += read as u64;
            }
        }
    }
    (Answer { status, head, text: String::new() }, taken)
}
