//! A connection to a checked address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use skyloom_model::{Error, ErrorCode, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::task::AbortOnDropHandle;
use url::Host;

use crate::addresses::Addresses;
use crate::hosts::{self, Place};

/// Bytes of an answer's head.
const HEAD_BYTES: usize = 64 << 10;
/// Headers of an answer.
const HEADERS: usize = 128;
/// Addresses of a name that are tried.
const TRIED: usize = 4;

/// Who knows the addresses of names.
#[async_trait]
pub trait Resolve: Send + Sync {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// This machine.
#[derive(Clone, Copy, Debug)]
pub struct System;

#[async_trait]
impl Resolve for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A connection for one request; it ends when this is dropped.
pub struct Connection {
    pub sender: SendRequest<Full<Bytes>>,
    pub task: AbortOnDropHandle<()>,
}

fn away(place: &Place, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Unavailable, format!("The host {} does not answer.", place.authority())).with_internal(why)
}

/// The addresses of the place that a connection may go to.
async fn checked(place: &Place, addresses: &Addresses, resolver: &dyn Resolve) -> Result<Vec<SocketAddr>> {
    let found = match (hosts::address(&place.host), &place.host) {
        (None, Host::Domain(name)) => resolver.addresses(name).await.map_err(|error| away(place, error))?,
        (address, _) => address.into_iter().collect(),
    };
    let allowed = found.iter().filter(|address| addresses.allow(**address));
    let allowed: Vec<_> = allowed.take(TRIED).map(|address| SocketAddr::new(*address, place.port)).collect();
    match (found.is_empty(), allowed.is_empty()) {
        (true, _) => Err(away(place, "the name has no address")),
        (false, true) => Err(Error::new(
            ErrorCode::Forbidden,
            format!("The host {} is at an address that may not be asked.", place.authority()),
        )
        .with_field("url")
        .with_internal(format!("{found:?}: `addresses` of the grant names none of them"))),
        _ => Ok(allowed),
    }
}

/// Connects to the place, at an address that `addresses` allows. `patience` is for all attempts together.
pub async fn connect(
    place: &Place,
    addresses: &Addresses,
    resolver: &dyn Resolve,
    tls: Option<&Arc<ClientConfig>>,
    patience: Duration,
) -> Result<Connection> {
    let targets = checked(place, addresses, resolver).await?;
    let each = patience / u32::try_from(targets.len()).unwrap_or(1).max(1);
    let mut why = String::new();
    for target in &targets {
        match tokio::time::timeout(each, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => return greet(place, stream, tls).await,
            Ok(Err(error)) => why = format!("{target}: {error}"),
            Err(_) => why = format!("{target}: no answer in {} ms", each.as_millis()),
        }
    }
    Err(away(place, why))
}

async fn greet(place: &Place, stream: TcpStream, tls: Option<&Arc<ClientConfig>>) -> Result<Connection> {
    let Some(config) = tls.filter(|_| place.tls) else { return spoken(place, stream).await };
    let name = match hosts::address(&place.host) {
        Some(address) => ServerName::from(address),
        None => ServerName::try_from(place.host.to_string()).map_err(|error| away(place, error))?,
    };
    let stream = TlsConnector::from(config.clone()).connect(name, stream).await.map_err(|error| away(place, error))?;
    spoken(place, stream).await
}

async fn spoken(place: &Place, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Connection> {
    let greeted = Builder::new().max_buf_size(HEAD_BYTES).max_headers(HEADERS).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = greeted.map_err(|error| away(place, error))?;
    let task = tokio::spawn(async move {
        // What goes wrong is told to who waits for the answer.
        let _ = connection.await;
    });
    Ok(Connection { sender, task: AbortOnDropHandle::new(task) })
}
