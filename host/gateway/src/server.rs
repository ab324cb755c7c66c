//! Sockets: accept, TLS, HTTP/1.1, drain.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::task::TaskTracker;

use crate::body::AnswerBody;
use crate::gateway::{Gateway, Shared};
use crate::operator::Operator;
use crate::settings::{Settings, millis};
use crate::stall::Stalling;

/// Time for a TLS handshake: several round trips over a bad line.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (mostly: no file descriptors left), so that the loop doesn't spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What answers on a socket.
#[derive(Clone)]
enum Service {
    Gateway(Arc<Gateway>),
    Operator(Arc<Operator>),
}

impl Service {
    async fn serve(&self, client: IpAddr, request: Request<Incoming>) -> Response<AnswerBody> {
        match self {
            Self::Gateway(gateway) => gateway.serve(Some(client), request).await,
            Self::Operator(operator) => operator.serve(&request).await,
        }
    }
}

/// All listeners of a process.
pub struct Server {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    connections: TaskTracker,
    acceptors: TaskTracker,
}

impl Server {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, stop: watch::Sender::new(false), connections: TaskTracker::new(), acceptors: TaskTracker::new() }
    }

    /// Serves the APIs on a socket from here on.
    pub fn listen(&self, socket: TcpListener, tls: Option<Arc<ServerConfig>>, gateway: Arc<Gateway>) {
        self.spawn(socket, tls, Service::Gateway(gateway));
    }

    /// Health and metrics. Goes on answering while the rest drains.
    pub fn listen_operator(&self, socket: TcpListener, operator: Arc<Operator>) {
        self.spawn(socket, None, Service::Operator(operator));
    }

    fn spawn(&self, socket: TcpListener, tls: Option<Arc<ServerConfig>>, service: Service) {
        let settings = &self.shared.settings;
        let listener = Listener {
            acceptor: tls.map(TlsAcceptor::from),
            http: http(settings),
            stall: millis(settings.stall_timeout_ms),
            slots: Arc::new(Semaphore::new(settings.max_connections as usize)),
            shared: self.shared.clone(),
            stop: matches!(service, Service::Gateway(_)).then(|| self.stop.subscribe()),
            service,
            connections: self.connections.clone(),
        };
        self.acceptors.spawn(listener.run(socket));
    }

    /// Serves until `shutdown`, then drains: not ready any more, no new connection, requests in flight finish within the
    /// settings' bound. Gives whether all of them did.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        shutdown.await;
        self.shared.drain();
        self.stop.send_replace(true);
        self.connections.close();
        self.shared.tasks.close();
        let idle = async {
            self.connections.wait().await;
            self.shared.tasks.wait().await;
        };
        tokio::time::timeout(millis(self.shared.settings.drain_ms), idle).await.is_ok()
    }
}

fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(millis(settings.head_timeout_ms))
        .max_headers(settings.max_headers as usize)
        // hyper's least; a body is read in pieces of at most this.
        .max_buf_size((settings.max_head_kib as usize * 1024).max(8192));
    http
}

struct Listener {
    service: Service,
    acceptor: Option<TlsAcceptor>,
    http: http1::Builder,
    stall: Duration,
    slots: Arc<Semaphore>,
    shared: Arc<Shared>,
    /// None: goes on while the rest drains.
    stop: Option<watch::Receiver<bool>>,
    connections: TaskTracker,
}

impl Listener {
    async fn run(mut self, socket: TcpListener) {
        loop {
            // No more than so many; the rest wait in the kernel.
            let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                () = stopped(&mut self.stop) => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let connection = self.connection(stream, peer);
            let metrics = self.shared.metrics.clone();
            let work = async move {
                metrics.connections.inc();
                connection.await;
                metrics.connections.dec();
                drop(slot);
            };
            if self.stop.is_some() {
                self.connections.spawn(work);
            } else {
                tokio::spawn(work);
            }
        }
    }

    fn connection(&self, stream: TcpStream, peer: SocketAddr) -> impl Future<Output = ()> + use<> {
        let (service, http, stop) = (self.service.clone(), self.http.clone(), self.stop.clone());
        let (acceptor, stall) = (self.acceptor.clone(), self.stall);
        async move {
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => converse(http, Stalling::new(stream, stall), peer.ip(), service, stop).await,
                Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => converse(http, Stalling::new(stream, stall), peer.ip(), service, stop).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake"),
                    Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
                },
            }
        }
    }
}

async fn converse<I>(
    http: http1::Builder,
    io: I,
    client: IpAddr,
    service: Service,
    mut stop: Option<watch::Receiver<bool>>,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.serve(client, request).await) }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(io), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, %error, "a connection ended early");
    }
}

/// Also when nobody is left who could say so.
async fn stopped(stop: &mut Option<watch::Receiver<bool>>) {
    match stop {
        Some(stop) => drop(stop.wait_for(|stop| *stop).await),
        None => std::future::pending().await,
    }
}

/// PEM files to what a listener needs.
pub fn tls(certificate: &Path, key: &Path) -> io::Result<Arc<ServerConfig>> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| wrong(certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
