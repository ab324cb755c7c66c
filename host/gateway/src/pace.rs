//! A connection whose peer must keep pace: send the heads of its requests, take its answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Connection;

/// How long a peer may take for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A whole head from its first byte, the first one from the connection's beginning.
    pub head: Duration,
    /// Silence between two requests.
    pub idle: Duration,
    /// A write that makes no progress.
    pub stall: Duration,
}

/// Fails a read or a write whose time is over. Reads within a request have their own limits above.
pub(crate) struct Paced<I> {
    /// What the peer has sent before; it is read first.
    sent: Vec<u8>,
    inner: I,
    limits: Limits,
    head: Head,
    /// Runs while a write waits.
    writing: Option<Pin<Box<Sleep>>>,
}

/// The wait for a request's head.
struct Head {
    connection: Arc<Connection>,
    /// How many requests had come when this wait began.
    requests: u32,
    /// Whether bytes of it are there; then it may not rest any more.
    begun: bool,
    until: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<I> Paced<I> {
    /// `sent`: what was read of it already. `until`: when the first head has to be there.
    pub fn new(inner: I, sent: Vec<u8>, until: Instant, limits: Limits, connection: Arc<Connection>) -> Self {
        let head = Head { requests: connection.requests(), connection, begun: true, until, timer: None };
        Self { sent, inner, limits, head, writing: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.writing = None;
            return result;
        }
        let limit = self.limits.stall;
        let deadline = self.writing.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + limit)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its answer")))
    }
}

impl Head {
    /// Bytes have come.
    fn heard(&mut self, limits: &Limits) {
        if !self.connection.is_within_request() {
            self.follow(limits);
            if !self.begun {
                self.begun = true;
                self.until = Instant::now() + limits.head;
            }
        }
    }

    /// No bytes are there. Ready: it has lasted too long.
    fn wait(&mut self, context: &mut Context<'_>, limits: &Limits) -> Poll<()> {
        if self.connection.is_within_request() {
            return Poll::Pending;
        }
        self.follow(limits);
        let until = self.until;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(context)
    }

    /// After a request begins another wait.
    fn follow(&mut self, limits: &Limits) {
        let requests = self.connection.requests();
        if self.requests != requests {
            *self = Self {
                connection: self.connection.clone(),
                requests,
                begun: false,
                until: Instant::now() + limits.idle,
                timer: self.timer.take(),
            };
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Paced<I> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.sent.is_empty() {
            let count = this.sent.len().min(buffer.remaining());
            buffer.put_slice(&this.sent[..count]);
            this.sent.drain(..count);
            if this.sent.is_empty() {
                this.sent = Vec::new();
            }
            this.head.heard(&this.limits);
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut this.inner).poll_read(context, buffer);
        if result.is_ready() {
            this.head.heard(&this.limits);
            return result;
        }
        ready!(this.head.wait(context, &this.limits));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sends no request")))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Paced<I> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.judge(context, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.judge(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_flush(context);
        this.judge(context, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_shutdown(context);
        this.judge(context, result)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio_util::sync::CancellationToken;

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_hours(1);

    fn paced(limits: Limits) -> (Paced<DuplexStream>, DuplexStream, Arc<Connection>) {
        let (near, far) = duplex(8);
        let connection = Arc::new(Connection::new(CancellationToken::new()));
        (Paced::new(near, Vec::new(), Instant::now() + limits.head, limits, connection.clone()), far, connection)
    }

    /// A read fails at a limit that is near, not at one that is far.
    async fn assert_left(near: &mut Paced<DuplexStream>) {
        let read = tokio::time::timeout(Duration::from_secs(10), near.read_u8()).await.expect("the near limit");
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    async fn assert_waits(near: &mut Paced<DuplexStream>) {
        assert!(tokio::time::timeout(SOON * 3, near.read_u8()).await.is_err());
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_left() {
        let (mut near, _far, _) = paced(Limits { head: LATE, idle: LATE, stall: SOON });
        near.write_all(b"12345678").await.unwrap();
        let error = near.write_all(b"9").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_first_head_is_timed_from_the_beginning_whatever_comes_of_it() {
        let limits = Limits { head: SOON, idle: LATE, stall: LATE };
        let (mut near, _far, _) = paced(limits);
        assert_left(&mut near).await;
        let (mut near, mut far, _) = paced(limits);
        far.write_u8(b'G').await.unwrap();
        near.read_u8().await.unwrap();
        assert_left(&mut near).await;
    }

    #[tokio::test]
    async fn between_requests_a_peer_may_rest_but_not_within_a_head() {
        let (mut near, mut far, connection) = paced(Limits { head: SOON, idle: LATE, stall: LATE });
        drop(connection.begin());
        assert_waits(&mut near).await;
        far.write_u8(b'G').await.unwrap();
        near.read_u8().await.unwrap();
        assert_left(&mut near).await;
        let (mut near, _far, connection) = paced(Limits { head: LATE, idle: SOON, stall: LATE });
        drop(connection.begin());
        assert_left(&mut near).await;
    }

    #[tokio::test]
    async fn what_was_sent_before_is_read_first_and_in_pieces() {
        let (near, mut far) = duplex(8);
        let connection = Arc::new(Connection::new(CancellationToken::new()));
        let limits = Limits { head: LATE, idle: LATE, stall: LATE };
        let mut near = Paced::new(near, b"before".to_vec(), Instant::now() + LATE, limits, connection);
        far.write_all(b" and now").await.unwrap();
        drop(far);
        let mut first = [0; 4];
        near.read_exact(&mut first).await.unwrap();
        let mut rest = Vec::new();
        near.read_to_end(&mut rest).await.unwrap();
        assert_eq!((&first, &rest[..]), (b"befo", &b"re and now"[..]));
    }

    #[tokio::test]
    async fn within_a_request_no_head_is_waited_for() {
        let (mut near, _far, connection) = paced(Limits { head: SOON, idle: SOON, stall: LATE });
        let within = connection.begin();
        assert_waits(&mut near).await;
        drop(within);
        assert_left(&mut near).await;
    }
}
