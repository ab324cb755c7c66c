//! Bodies that nobody reads to their end. A socket that is closed while bytes wait in it is reset, and with it goes an answer that
//! the client hasn't read yet: so what a refusal leaves of a body is read and dropped, within bounds.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

/// A client that goes on sending more than this is cut off.
const MOST: usize = 8 * 1024 * 1024;
/// And one that takes longer.
const LONGEST: Duration = Duration::from_secs(2);

/// A body as it comes, of which the rest is read when it is dropped. One whose client waits for a word before it sends is left,
/// unless it was asked for.
pub(crate) fn lingering(headers: &HeaderMap, body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::new(Lingering { rest: body, comes: !headers.contains_key(header::EXPECT) })
}

struct Lingering {
    rest: Body,
    /// Its client sends it, asked or unasked.
    comes: bool,
}

impl HttpBody for Lingering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.comes = true;
        Pin::new(&mut self.rest).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.size_hint()
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        if !self.comes || rest.is_end_stream() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LONGEST, drain(rest)));
        }
    }
}

async fn drain(mut body: Body) {
    let mut left = MOST;
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::{FutureExt, stream};

    use super::*;

    const PIECE: &[u8] = &[b'x'; 64 * 1024];

    /// It never ends; counts what is read of it.
    fn endless(read: &Arc<AtomicUsize>) -> Body {
        let read = read.clone();
        Body::from_stream(stream::repeat_with(move || {
            read.fetch_add(PIECE.len(), Ordering::Relaxed);
            Ok::<_, Infallible>(PIECE)
        }))
    }

    #[test]
    fn no_more_is_read_of_a_body_without_an_end_than_may_be() {
        let read = Arc::default();
        assert!(drain(endless(&read)).now_or_never().is_some(), "it ends by itself");
        assert_eq!(read.load(Ordering::Relaxed), MOST + PIECE.len(), "one piece tells that it is too much");
    }

    #[tokio::test]
    async fn a_client_that_waits_for_a_word_is_left_unless_it_was_asked() {
        let waits = HeaderMap::from_iter([(header::EXPECT, "100-continue".parse().unwrap())]);
        for (headers, asked, drained) in
            [(&waits, false, false), (&waits, true, true), (&HeaderMap::new(), false, true)]
        {
            let read = Arc::default();
            let mut body = lingering(headers, endless(&read));
            if asked {
                body.frame().await.unwrap().unwrap();
            }
            let before = read.load(Ordering::Relaxed);
            drop(body);
            // What was spawned has its turn.
            tokio::task::yield_now().await;
            assert_eq!(read.load(Ordering::Relaxed) > before, drained, "{headers:?} {asked}");
        }
    }
}
