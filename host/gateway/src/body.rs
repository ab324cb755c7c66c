//! Answers and their bodies.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tokio_util::io::ReaderStream;

/// Bytes at a time when a stored file is sent: few system calls, little memory.
const CHUNK: usize = 256 * 1024;

/// The body of an answer: bytes at hand, or a stored file that is read while it is sent.
#[derive(Debug)]
pub enum AnswerBody {
    Bytes(Option<Bytes>),
    File { stream: ReaderStream<tokio::io::Take<tokio::fs::File>>, left: u64 },
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer(Response<AnswerBody>);

impl Answer {
    pub fn empty() -> Self {
        Self(Response::new(AnswerBody::Bytes(None)))
    }

    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Response::new(AnswerBody::Bytes((!bytes.is_empty()).then_some(bytes))))
    }

    /// `len` bytes of a file.
    pub fn file(file: tokio::fs::File, len: u64) -> Self {
        let limited = tokio::io::AsyncReadExt::take(file, len);
        let stream = ReaderStream::with_capacity(limited, CHUNK);
        Self(Response::new(AnswerBody::File { stream, left: len }))
    }

    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub fn status_mut(&mut self) -> &mut StatusCode {
        self.0.status_mut()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }

    pub fn body(&self) -> &AnswerBody {
        self.0.body()
    }

    pub fn into_body(self) -> AnswerBody {
        self.0.into_body()
    }

    /// What a HEAD gets: the length stands in the headers, the bytes stay away.
    pub fn without_body(mut self) -> Self {
        let len = self.body().left();
        if len > 0 {
            self.headers_mut().insert(http::header::CONTENT_LENGTH, len.into());
        }
        *self.0.body_mut() = AnswerBody::Bytes(None);
        self
    }

    pub fn into_response(self) -> Response<AnswerBody> {
        self.0
    }
}

impl AnswerBody {
    /// Bytes still to be sent.
    pub fn left(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::File { left, .. } => *left,
        }
    }

    /// None for a file.
    #[cfg(test)]
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes.unwrap_or_default()),
            Self::File { .. } => None,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.get_mut() {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File { stream, left } => match Pin::new(stream).poll_next(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Ok(bytes))) => {
                    *left = left.saturating_sub(bytes.len() as u64);
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                // A file that is shorter than promised must not look like a whole one.
                Poll::Ready(None) if *left > 0 => Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into()))),
                Poll::Ready(None) => Poll::Ready(None),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}
