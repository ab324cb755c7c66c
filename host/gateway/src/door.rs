//! The door: a thread of its own that takes connections and keeps each until the head of its first request is there. Who opens
//! many and says little keeps this thread busy, and none of those that serve requests. What is sealed (TLS) goes on at once.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;

/// Read of a head at once.
const PIECE: usize = 1024;

pub(crate) struct Door {
    handle: Handle,
    /// None: it is being shut.
    runtime: Option<Runtime>,
}

impl Door {
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("door").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Of its thread.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting isn't allowed everywhere, and nothing here is worth it.
            runtime.shutdown_background();
        }
    }
}

/// What a first head may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct First {
    pub bytes: usize,
    pub headers: usize,
}

impl First {
    /// What was sent, as soon as a head is in it, or its first piece will never be one, or it is too large for one. None: the peer
    /// ended before, took too long, or sends empty lines.
    pub async fn hear(self, peer: &mut (impl AsyncRead + Unpin), until: Instant) -> Option<Vec<u8>> {
        let hear = async {
            let mut sent = Vec::new();
            loop {
                let before = sent.len();
                sent.reserve(PIECE.min(self.bytes - before));
                if (&mut *peer).take((self.bytes - before) as u64).read_buf(&mut sent).await.ok()? == 0 {
                    return None;
                }
                if begins_with_empty_lines(&sent) {
                    return None;
                }
                if sent.len() >= self.bytes || !self.is_partial(&sent, before) {
                    return Some(sent);
                }
            }
        };
        tokio::time::timeout_at(until, hear).await.ok().flatten()
    }

    /// What comes byte by byte is looked at once, not from its beginning each time: only the first piece, and one with an empty line,
    /// may make a difference.
    fn is_partial(self, sent: &[u8], before: usize) -> bool {
        let new = &sent[before.saturating_sub(3)..];
        let has_empty_line = new.windows(2).any(|ends| ends == b"\n\n") || new.windows(3).any(|ends| ends == b"\n\r\n");
        if before > 0 && !has_empty_line {
            return true;
        }
        let mut headers = vec![httparse::EMPTY_HEADER; self.headers];
        httparse::Request::new(&mut headers).parse(sent).is_ok_and(|parsed| parsed.is_partial())
    }
}

/// One is overlooked, as servers should. More would each be looked at as a head's end.
fn begins_with_empty_lines(sent: &[u8]) -> bool {
    let rest = sent.strip_prefix(b"\r\n").or_else(|| sent.strip_prefix(b"\n"));
    rest.is_some_and(|rest| rest.starts_with(b"\n") || rest.starts_with(b"\r"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    const FIRST: First = First { bytes: 64, headers: 2 };

    fn late() -> Instant {
        Instant::now() + Duration::from_hours(1)
    }

    /// What comes in pieces of so many bytes, until enough is there or no more comes.
    async fn heard(sent: &str, piece: usize) -> Option<String> {
        let (mut near, mut far) = duplex(piece);
        let hear = async move { FIRST.hear(&mut near, late()).await };
        let send = async move { far.write_all(sent.as_bytes()).await };
        // Who has heard enough ends the sending.
        let (heard, _) = tokio::join!(hear, send);
        heard.map(|heard| String::from_utf8(heard).unwrap())
    }

    #[tokio::test]
    async fn a_head_is_heard_to_its_end_and_what_came_with_it() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let with_body = format!("{head}body");
        assert_eq!(heard(head, 1).await.as_deref(), Some(head));
        assert_eq!(heard(&with_body, 64).await, Some(with_body));
        assert_eq!(heard("GET / HTTP/1.1\nHost: x\n\n", 1).await.as_deref(), Some("GET / HTTP/1.1\nHost: x\n\n"));
        assert_eq!(heard("GET / HTTP/1.1\r\nHost:", 64).await, None, "it ended");
    }

    #[tokio::test]
    async fn what_will_never_be_a_head_is_not_waited_for() {
        assert_eq!(heard("\u{16}\u{3}\u{1}...", 64).await.as_deref(), Some("\u{16}\u{3}\u{1}..."));
        let many = "GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n";
        assert_eq!(heard(many, 64).await.as_deref(), Some(many), "too many fields");
        assert_eq!(heard(&format!("GET /{}", "a".repeat(90)), 64).await.map(|sent| sent.len()), Some(FIRST.bytes));
        for lines in ["\n\n", "\r\n\r\n", "\n\r\n", "\r\n\n"] {
            assert_eq!(heard(&format!("{lines}GET / HTTP/1.1\r\n\r\n"), 1).await, None, "{lines:?}");
        }
        assert_eq!(heard("\r\nGET / HTTP/1.1\r\n\r\n", 1).await.as_deref(), Some("\r\nGET / HTTP/1.1\r\n\r\n"));
    }

    #[tokio::test]
    async fn a_head_that_takes_too_long_is_not_waited_for() {
        let (mut near, mut far) = duplex(64);
        far.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        assert_eq!(FIRST.hear(&mut near, Instant::now() + Duration::from_millis(20)).await, None);
    }
}
