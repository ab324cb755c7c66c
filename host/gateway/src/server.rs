//! Sockets: accept, TLS, HTTP/1.1, drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, ServiceExt};

use crate::connection::{Connection, Ending};
use crate::door::{Door, First};
use crate::gateway::Gateway;
use crate::internal::{self, Answering};
use crate::metrics::Metrics;
use crate::operator::{self, Check};
use crate::operator_nodes::Nodes;
use crate::pace::{Limits, Paced};
use crate::peers::{Peers, Place};
use crate::settings::{Settings, millis};
use crate::shared::Shared;
use crate::tls::Tls;
use crate::unread::{Bounds, Worded};

/// Time for a TLS handshake: several round trips over a bad line.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (mostly: no file descriptors left), so that the loop doesn't spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// All listeners of a process.
pub struct Server {
    shared: Arc<Shared>,
    /// As long as it is there, the APIs' listeners listen.
    door: Door,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// # Errors
    /// The thread that takes connections can't be started.
    pub fn new(shared: Arc<Shared>) -> io::Result<Self> {
        Ok(Self { shared, door: Door::new()?, stop: CancellationToken::new(), connections: TaskTracker::new() })
    }

    /// Serves the APIs on a socket from here on.
    ///
    /// # Errors
    /// The socket can't be watched.
    pub fn listen(&self, socket: TcpListener, tls: Option<&Tls>, gateway: &Arc<Gateway>) -> io::Result<()> {
        let (stop, connections) = (self.stop.clone(), self.connections.clone());
        self.spawn(socket, self.door.handle(), tls.map(Tls::config), gateway.router(), stop, connections)
    }

    /// Health, metrics and the operator's calls. Goes on answering while the rest drains: neither told to stop nor waited for.
    /// `checks`: what must be well beside the core.
    ///
    /// # Errors
    /// The socket can't be watched.
    pub fn listen_operator(
        &self,
        socket: TcpListener,
        checks: Vec<Arc<dyn Check>>,
        nodes: Arc<dyn Nodes>,
        turns_clock: bool,
    ) -> io::Result<()> {
        let router = operator::router(self.shared.clone(), checks, nodes, turns_clock);
        // Not at the door, so that whoever crowds it keeps no operator out.
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        self.spawn(socket, &Handle::current(), None, router, stop, connections)
    }

    /// Answers what other processes ask about this one's compute nodes; drains as the APIs do.
    ///
    /// # Errors
    /// The socket can't be watched.
    pub fn listen_internal(&self, socket: TcpListener, answering: Answering) -> io::Result<()> {
        let (stop, connections) = (self.stop.clone(), self.connections.clone());
        self.spawn(socket, &Handle::current(), None, internal::router(answering), stop, connections)
    }

    fn spawn(
        &self,
        socket: TcpListener,
        door: &Handle,
        tls: Option<Arc<ServerConfig>>,
        router: Router,
        stop: CancellationToken,
        connections: TaskTracker,
    ) -> io::Result<()> {
        let settings = &self.shared.settings;
        let first = First { bytes: head_bytes(settings), headers: settings.max_headers as usize };
        let listener = Listener {
            door: door.clone(),
            within: Handle::current(),
            first,
            router,
            acceptor: tls.map(TlsAcceptor::from),
            http: http(settings),
            bounds: Bounds { bytes: head_bytes(settings), headers: settings.max_headers },
            pace: Limits {
                head: millis(settings.head_timeout_ms),
                idle: millis(settings.idle_timeout_ms),
                stall: millis(settings.stall_timeout_ms),
            },
            peers: Peers::new(settings.max_connections_per_address, self.shared.proxies.clone()),
            slots: Arc::new(Semaphore::new(settings.max_connections as usize)),
            metrics: self.shared.metrics.clone(),
            stop,
            connections,
        };
        let socket = socket.into_std()?;
        let socket = {
            let _at_the_door = door.enter();
            TcpListener::from_std(socket)?
        };
        door.spawn(Arc::new(listener).run(socket));
        Ok(())
    }

    /// Serves until `shutdown`, then drains: not ready any more, no new connection, requests in flight finish within the
    /// settings' bound. Gives whether all of them did.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        shutdown.await;
        self.shared.drain();
        self.stop.cancel();
        self.connections.close();
        self.shared.tasks.close();
        let idle = async {
            self.connections.wait().await;
            self.shared.tasks.wait().await;
        };
        tokio::time::timeout(millis(self.shared.settings.drain_ms), idle).await.is_ok()
    }
}

/// `axum::serve` has no such limits, so the connections of its routers are served here.
fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    // Heads are timed by `Paced`, which tells one that is half there from a rest.
    http.header_read_timeout(None)
        .max_headers(settings.max_headers as usize)
        // A body is read in pieces of at most this.
        .max_buf_size(head_bytes(settings));
    http
}

/// hyper's least is 8 KiB.
fn head_bytes(settings: &Settings) -> usize {
    (settings.max_head_kib as usize * 1024).max(8192)
}

/// Who has come, when the first head has to be there, and what of it is.
struct Arrived {
    peer: SocketAddr,
    until: Instant,
    sent: Vec<u8>,
}

fn unwatched(peer: SocketAddr, error: &io::Error) {
    tracing::warn!(%peer, %error, "a connection cannot be watched");
}

/// An open connection.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

struct Listener {
    /// Takes the connections.
    door: Handle,
    /// Serves their requests.
    within: Handle,
    first: First,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    http: http1::Builder,
    bounds: Bounds,
    pace: Limits,
    peers: Arc<Peers>,
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Listener {
    async fn run(self: Arc<Self>, socket: TcpListener) {
        loop {
            // No more than so many; the rest wait in the kernel.
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = self.stop.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(place) = self.peers.enter(peer.ip(), self.stop.child_token()) else {
                self.metrics.connections_refused.inc();
                continue;
            };
            let listener = self.clone();
            let counted = Counted::new(self.metrics.clone());
            let arrived = Arrived { peer, until: Instant::now() + self.pace.head, sent: Vec::new() };
            let at_the_door = async move {
                let Some((stream, arrived)) = listener.first_head(stream, arrived, &place).await else { return };
                let connections = listener.connections.clone();
                let within = listener.within.clone();
                let serve = async move {
                    listener.connect(stream, arrived, &place).await;
                    drop((place, slot, counted));
                };
                connections.spawn_on(serve, &within);
            };
            self.connections.spawn_on(at_the_door, &self.door);
        }
    }

    /// The connection, told to no thread yet, with what it has sent. What is sealed is sealed for those within.
    async fn first_head(
        &self,
        mut stream: TcpStream,
        mut arrived: Arrived,
        place: &Place,
    ) -> Option<(std::net::TcpStream, Arrived)> {
        let _ = stream.set_nodelay(true);
        if self.acceptor.is_none() {
            arrived.sent = tokio::select! {
                // A head that is there is not given up.
                biased;
                sent = self.first.hear(&mut stream, arrived.until) => sent?,
                () = place.connection.leave.cancelled() => return None,
            };
            place.connection.hear();
        }
        let peer = arrived.peer;
        stream.into_std().inspect_err(|error| unwatched(peer, error)).ok().map(|stream| (stream, arrived))
    }

    async fn connect(&self, stream: std::net::TcpStream, arrived: Arrived, place: &Place) {
        let peer = arrived.peer;
        let Ok(stream) = TcpStream::from_std(stream).inspect_err(|error| unwatched(peer, error)) else { return };
        let Some(acceptor) = &self.acceptor else {
            return self.converse(stream, arrived, &place.connection).await;
        };
        let greeted = tokio::select! {
            greeted = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => greeted,
            () = place.connection.leave.cancelled() => return,
        };
        match greeted {
            Ok(Ok(stream)) => {
                // The handshake has its own time.
                let arrived = Arrived { until: Instant::now() + self.pace.head, ..arrived };
                self.converse(stream, arrived, &place.connection).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }

    async fn converse<I>(&self, stream: I, arrived: Arrived, connection: &Arc<Connection>)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Arrived { peer, until, sent } = arrived;
        let paced = Paced::new(stream, sent, until, self.pace, connection.clone());
        let io = TokioIo::new(Worded::new(paced, self.bounds));
        let router = Extension(ConnectInfo(peer)).layer(self.router.clone());
        let service = service_fn(|request: Request<Incoming>| {
            let within = connection.begin();
            let answer = router.clone().oneshot(request);
            async move { answer.await.map(|answer| answer.map(|body| Ending { body, _within: within })) }
        });
        let mut served = std::pin::pin!(self.http.serve_connection(io, service));
        let ended = tokio::select! {
            biased;
            ended = served.as_mut() => ended,
            () = connection.leave.cancelled() => {
                // hyper would wait for the rest of a first head that is half there.
                if connection.is_silent() {
                    return;
                }
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        }
    }
}
