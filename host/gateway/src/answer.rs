//! HTTP answers.

use axum::body::{Body, HttpBody};
use http::header::CONTENT_LENGTH;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// An HTTP answer; what a plugin gives is a [`Response`](crate::Response).
pub type Answer = axum::response::Response;

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

/// What a HEAD gets: the length stands in the headers, the bytes stay away.
pub fn without_body(mut answer: Answer) -> Answer {
    // That of a file stands there already.
    if let Some(len) = answer.body().size_hint().exact().filter(|len| *len > 0) {
        answer.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
    *answer.body_mut() = Body::empty();
    answer
}
