//! HTTP answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http::header::CONTENT_LENGTH;
use hyper::body::{Frame, SizeHint};
use skyloom_model::Caller;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::held::Held;

/// An HTTP answer; what a plugin gives is a [`Response`](crate::Response).
pub type Answer = axum::response::Response;

/// An answer, and what is told of its request.
pub(crate) struct Served {
    pub answer: Answer,
    pub plugin: Arc<str>,
    pub operation: Arc<str>,
    pub caller: Option<Arc<Caller>>,
}

/// Bytes at a time when a stored file is sent: few system calls, little memory.
const CHUNK: usize = 256 * 1024;

/// `len` bytes of a file, read while they are sent. Where the file turns out shorter the connection breaks: what came must
/// not look whole.
pub fn file(file: tokio::fs::File, len: u64) -> Answer {
    let stream = ReaderStream::with_capacity(file.take(len), CHUNK);
    let mut answer = Answer::new(Body::from_stream(stream));
    answer.headers_mut().insert(CONTENT_LENGTH, len.into());
    answer
}

/// Bytes that are counted as `held` until the client has taken nearly all of them.
pub fn held(bytes: Vec<u8>, held: Held) -> Answer {
    let mut whole = Bytes::from(bytes);
    // The server asks for a piece when it has sent those before, up to its buffer.
    let last = whole.split_off(whole.len().saturating_sub(1));
    Answer::new(Body::new(Counted { pieces: [last, whole], _held: held }))
}

struct Counted {
    /// In reverse; empty when taken.
    pieces: [Bytes; 2],
    _held: Held,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.iter_mut().rev().find(|piece| !piece.is_empty());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(std::mem::take(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// What a HEAD gets: the length stands in the headers, the bytes stay away.
pub fn without_body(mut answer: Answer) -> Answer {
    // That of a file stands there already.
    if let Some(len) = answer.body().size_hint().exact().filter(|len| *len > 0) {
        answer.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
    *answer.body_mut() = Body::empty();
    answer
}
