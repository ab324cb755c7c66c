//! Reads that this process has others make.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use skyloom_cloud::compute::{Processes, out_of_reach};
use skyloom_cloud::secrets::Authenticator;
use skyloom_model::{Error, Result};
use skyloom_runtime::driver::{ReadCall, Reading};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::wire::{Answered, Asked, METHOD, PATH, Proof, Read, too_slow};
use super::{InternalLimits, clock};
use crate::settings::millis;

/// Bytes of a refusal's line; a longer one is not shown.
const LINE: usize = 512;

/// Asks over a connection of its own each time: such reads are few.
pub struct Asking {
    key: Authenticator,
    limits: InternalLimits,
    turns: Semaphore,
}

impl Asking {
    pub fn new(key: Authenticator, limits: InternalLimits) -> Self {
        let turns = Semaphore::new(limits.reads as usize);
        Self { key, limits, turns }
    }
}

#[async_trait]
impl Processes for Asking {
    async fn read(&self, address: &str, node: &str, call: ReadCall<'_>) -> Result<Reading> {
        let asked = Asked { node: node.into(), read: Read::of(call)? };
        let answer = timeout(millis(self.limits.timeout_ms), self.ask(address, &asked));
        answer.await.unwrap_or_else(|_| {
            Err(too_slow().with_internal(format!("the process at {address} did not answer in time about node {node}")))
        })
    }
}

impl Asking {
    async fn ask(&self, address: &str, asked: &Asked<'_>) -> Result<Reading> {
        let failed = |why: &dyn std::fmt::Display| {
            out_of_reach(format!("the process at {address}, asked about node {}: {why}", asked.node))
        };
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        let body = serde_json::to_vec(asked).map_err(Error::internal)?;
        let proof = Proof::new(&self.key, address, &body, clock());
        let request = Request::builder()
            .method(METHOD)
            .uri(PATH)
            .header(HOST, address)
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, proof.header())
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| failed(&error))?;
        let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // It ends with this read, however that ends.
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let (head, body) = sender.send_request(request).await.map_err(|error| failed(&error))?.into_parts();
        if head.status != StatusCode::OK {
            let line = collected(body, LINE).await.unwrap_or_default();
            return Err(failed(&format!("{}: {:?}", head.status, String::from_utf8_lossy(&line).trim_end())));
        }
        let body = collected(body, asked.read.most_bytes()).await.map_err(|why| failed(&why))?;
        if !proof.proves_answer(&self.key, &head.headers, head.status, &body) {
            return Err(failed(&"the answer is not signed with this deployment's key"));
        }
        let answered: Answered = serde_json::from_slice(&body).map_err(|error| failed(&error))?;
        answered.reading()
    }
}

/// Err: what is wrong with it.
async fn collected(body: Incoming, most: usize) -> Result<Bytes, String> {
    let whole = Limited::new(body, most).collect().await;
    whole
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| format!("its answer (at most {most} bytes): {error}"))
}
