//! The door: a thread of its own that takes connections and keeps each until the head of its first request is there. Who opens
//! many and says little keeps this thread busy, and none of those that serve requests.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::{Builder, Handle, Runtime};

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
    pub time: Duration,
}

impl First {
    /// What was sent, as soon as a head is in it, or what will never be one, or is too large for one. None: the peer ended before,
    /// or took too long.
    pub async fn hear(self, peer: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
        let hear = async {
            let mut sent = Vec::new();
            loop {
                sent.reserve(PIECE);
                if peer.read_buf(&mut sent).await.ok()? == 0 {
                    return None;
                }
                if sent.len() >= self.bytes || !self.is_partial(&sent) {
                    return Some(sent);
                }
            }
        };
        tokio::time::timeout(self.time, hear).await.ok().flatten()
    }

    fn is_partial(self, sent: &[u8]) -> bool {
        let mut headers = vec![httparse::EMPTY_HEADER; self.headers];
        httparse::Request::new(&mut headers).parse(sent).is_ok_and(|parsed| parsed.is_partial())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    const FIRST: First = First { bytes: 64, headers: 2, time: Duration::from_hours(1) };

    /// What comes in pieces, until enough is there or no more comes.
    async fn heard(pieces: &[&str]) -> Option<String> {
        let (mut near, mut far) = duplex(1);
        let sent: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let send = async move {
            for piece in sent {
                if far.write_all(piece.as_bytes()).await.is_err() {
                    return;
                }
            }
        };
        let (sent, ()) = tokio::join!(async { FIRST.hear(&mut near).await }, send);
        sent.map(|sent| String::from_utf8(sent).unwrap())
    }

    #[tokio::test]
    async fn a_head_is_heard_to_its_end_and_what_is_none_as_soon_as_that_is_known() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(heard(&["GET / HT", "TP/1.1\r\nHost: x\r\n\r", "\n"]).await.as_deref(), Some(head));
        assert_eq!(heard(&["\u{16}\u{3}\u{1}..."]).await.as_deref(), Some("\u{16}"));
        let many = heard(&["GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd"]).await.expect("too many fields");
        assert!(many.starts_with("GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc"), "{many}");
        assert_eq!(heard(&[&format!("GET /{}", "a".repeat(90))]).await.map(|sent| sent.len()), Some(FIRST.bytes));
        assert_eq!(heard(&["GET / HTTP/1.1\r\nHost:"]).await, None, "it ended");
    }

    #[tokio::test]
    async fn a_head_that_takes_too_long_is_not_waited_for() {
        let (mut near, mut far) = duplex(64);
        far.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
        let hurried = First { time: Duration::from_millis(20), ..FIRST };
        assert_eq!(hurried.hear(&mut near).await, None);
    }
}
