//! Heads that hyper cannot read: too large, or no HTTP. It refuses them by itself with an empty answer and closes, before any
//! route is known. Here that answer gets a body which says what was wrong, and what still comes is read and dropped within bounds:
//! a socket that is closed while bytes wait in it is reset, and the answer with it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A client that goes on sending more than this is cut off.
const MOST: usize = 8 * 1024 * 1024;
/// And one that takes longer.
const LONGEST: Duration = Duration::from_secs(2);
/// hyper's own bound of a URL, which is the `http` crate's.
const URL_BYTES: usize = u16::MAX as usize - 1;

/// What a head may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub bytes: usize,
    pub headers: u32,
}

impl Bounds {
    /// The whole answer in the place of an empty one. None: it isn't hyper's own.
    fn answer(self, head: &[u8]) -> Option<Vec<u8>> {
        let status = own_status(head)?;
        let message = match status {
            StatusCode::URI_TOO_LONG => format!("The URL is too long: it may have {URL_BYTES} bytes."),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => format!(
                "The head of the request is too large: URL and header fields may have {} bytes together, and there may be {} \
                 fields.",
                self.bytes, self.headers
            ),
            _ => "The request is malformed.".to_owned(),
        };
        let title = status.canonical_reason().unwrap_or_default();
        let body = json!({"error": {"code": status.as_u16(), "message": message, "title": title}}).to_string();
        let head = format!(
            "HTTP/1.1 {} {title}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            status.as_u16(),
            body.len()
        );
        Some(head.into_bytes())
    }
}

/// Of an answer that nobody made but hyper: it has these fields and no other, and no body. The gateway's own have one.
fn own_status(head: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(head.strip_prefix(b"HTTP/1.1 4")?.strip_suffix(b"\r\n\r\n")?).ok()?;
    let mut lines = text.split("\r\n");
    let status = StatusCode::from_bytes(format!("4{}", lines.next()?.get(..2)?).as_bytes()).ok()?;
    let own = |line: &str| matches!(line, "connection: close" | "content-length: 0") || line.starts_with("date: ");
    (lines.clone().count() == 3 && lines.all(own)).then_some(status)
}

/// A connection on which such an answer has words.
pub(crate) struct Worded<I> {
    inner: I,
    bounds: Bounds,
    /// What is written in the place of hyper's, and how much of it has been.
    instead: Option<(Vec<u8>, usize)>,
    /// After it.
    dropping: Option<Dropping>,
}

struct Dropping {
    left: usize,
    until: Pin<Box<Sleep>>,
    told: bool,
}

impl<I> Worded<I> {
    pub fn new(inner: I, bounds: Bounds) -> Self {
        Self { inner, bounds, instead: None, dropping: None }
    }
}

impl<I: AsyncWrite + Unpin> Worded<I> {
    /// None: the bytes are to be written as they are. Ready: all that stands for them is written.
    fn write_instead(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.instead.is_none() {
            self.instead = Some((self.bounds.answer(bytes)?, 0));
        }
        let (answer, written) = self.instead.as_mut()?;
        while *written < answer.len() {
            match Pin::new(&mut self.inner).poll_write(context, &answer[*written..]) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => *written += count,
                other => return Some(other),
            }
        }
        self.instead = None;
        let until = Box::pin(tokio::time::sleep(LONGEST));
        self.dropping = Some(Dropping { left: MOST, until, told: false });
        Some(Poll::Ready(Ok(bytes.len())))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Worded<I> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Worded<I> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.write_instead(context, bytes) {
            Some(written) => written,
            None => Pin::new(&mut this.inner).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // An empty answer is a head alone.
        let mut full = slices.iter().filter(|slice| !slice.is_empty());
        let alone = full.next().filter(|_| full.next().is_none());
        match alone.and_then(|head| this.write_instead(context, head)) {
            Some(written) => written,
            None => Pin::new(&mut this.inner).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(dropping) = &mut this.dropping else { return Pin::new(&mut this.inner).poll_shutdown(context) };
        if !dropping.told {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            dropping.told = true;
        }
        let mut piece = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut this.inner).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && dropping.left > 0 => {
                    dropping.left = dropping.left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return dropping.until.as_mut().poll(context).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_answers_get_words() {
        let own = |status: &str, more: &str| {
            let head =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n{more}date: now\r\n\r\n");
            own_status(head.as_bytes()).map(|status| status.as_u16())
        };
        assert_eq!(own("431 Request Header Fields Too Large", ""), Some(431));
        assert_eq!(own("414 URI Too Long", ""), Some(414));
        assert_eq!(own("400 Bad Request", ""), Some(400));
        assert_eq!(own("400 Bad Request", "content-type: text/plain\r\n"), None);
        assert_eq!(own("500 Internal Server Error", ""), None);
        assert_eq!(
            own_status(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 2\r\ndate: x\r\n\r\n{}"),
            None
        );
    }
}
