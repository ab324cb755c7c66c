//! Reads that this process has others make.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
    turns: Turns,
}

/// Reads at once. Of one process half of them, so that one that is silent keeps nobody from the others.
struct Turns {
    all: Semaphore,
    of_one: usize,
    /// By address; only of those that somebody asks now.
    each: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Turns {
    fn new(reads: u32) -> Self {
        let reads = reads as usize;
        Self { all: Semaphore::new(reads), of_one: reads.div_ceil(2), each: Mutex::default() }
    }

    fn of(&self, address: &str) -> Arc<Semaphore> {
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        each.retain(|_, turns| turns.strong_count() > 0);
        if let Some(turns) = each.get(address).and_then(Weak::upgrade) {
            return turns;
        }
        let turns = Arc::new(Semaphore::new(self.of_one));
        each.insert(address.to_owned(), Arc::downgrade(&turns));
        turns
    }
}

impl Asking {
    pub fn new(key: Authenticator, limits: InternalLimits) -> Self {
        let turns = Turns::new(limits.reads);
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
        // Who waits for this process holds no turn that others need.
        let of_this = self.turns.of(address);
        let _turns = (
            of_this.acquire().await.map_err(Error::internal)?,
            self.turns.all.acquire().await.map_err(Error::internal)?,
        );
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
