//! Where a connection stands: before its first request, within one, or between two.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use tokio_util::sync::CancellationToken;

/// Shared by a connection's task, its bytes and those who may end it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// It has to end: at once unless it is within a request.
    pub leave: CancellationToken,
    heard: AtomicBool,
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Connection {
    pub fn new(leave: CancellationToken) -> Self {
        Self { leave, heard: AtomicBool::new(false), begun: AtomicU32::new(0), ended: AtomicU32::new(0) }
    }

    /// The head of a request is there; the request lasts as long as what this gives.
    pub fn begin(self: &Arc<Self>) -> Within {
        self.begun.fetch_add(1, Relaxed);
        Within(self.clone())
    }

    /// Its first head has come, or what is to be refused instead of one; nobody has looked at it yet.
    pub fn hear(&self) {
        self.heard.store(true, Relaxed);
    }

    /// Whether it has sent anything that wants an answer.
    pub fn is_silent(&self) -> bool {
        self.requests() == 0 && !self.heard.load(Relaxed)
    }

    /// Whether it waits for another request.
    pub fn is_between_requests(&self) -> bool {
        self.requests() > 0 && !self.is_within_request()
    }

    /// Heads of requests that have come.
    pub fn requests(&self) -> u32 {
        self.begun.load(Relaxed)
    }

    pub fn is_within_request(&self) -> bool {
        self.begun.load(Relaxed) != self.ended.load(Relaxed)
    }
}

/// From the head of a request to the end of its answer.
#[derive(Debug)]
pub(crate) struct Within(Arc<Connection>);

impl Drop for Within {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// An answer's body; with it ends the request.
#[derive(Debug)]
pub(crate) struct Ending<B> {
    pub body: B,
    pub _within: Within,
}

impl<B: Body + Unpin> Body for Ending<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
