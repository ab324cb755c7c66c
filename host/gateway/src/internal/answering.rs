//! The listener for the deployment's other processes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use skyloom_cloud::secrets::Authenticator;
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{ReadCall, Reading};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::wire::{ANSWER_PROOF, Answered, Asked, PATH, Proof, too_slow};
use super::{InternalLimits, clock};
use crate::replays::{Replays, Untaken};
use crate::settings::millis;

/// Largest body of a request in bytes: the names of a node and a server.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// The compute nodes that this process drives. `skyloom_cloud::Cloud` is one.
#[async_trait]
pub trait DrivenNodes: Send + Sync + 'static {
    /// None: another process drives the node, or none.
    async fn read(&self, node: &str, call: ReadCall<'_>) -> Option<Result<Reading>>;
}

/// What the listener needs.
pub struct Answering {
    pub key: Authenticator,
    /// As other processes are told it: nothing that was meant for another address is answered.
    pub address: String,
    pub limits: InternalLimits,
    pub nodes: Arc<dyn DrivenNodes>,
}

struct Listener {
    answering: Answering,
    turns: Semaphore,
    replays: Replays,
}

/// With a line for the other process's log.
type Refused = (StatusCode, String);

fn refused(status: StatusCode, why: impl Into<String>) -> Refused {
    (status, why.into())
}

pub(crate) fn router(answering: Answering) -> Router {
    let limits = &answering.limits;
    let (turns, replays) = (Semaphore::new(limits.reads as usize), Replays::new(limits.remembered));
    Router::new().route(PATH, post(answer)).with_state(Arc::new(Listener { answering, turns, replays }))
}

async fn answer(State(listener): State<Arc<Listener>>, headers: HeaderMap, body: Body) -> Response {
    listener.answer(&headers, body).await.unwrap_or_else(|(status, why)| {
        tracing::debug!(%status, why, "a read for another process was refused");
        (status, why + "\n").into_response()
    })
}

impl Listener {
    /// Nothing is read of a body whose sender has proven nothing.
    async fn answer(&self, headers: &HeaderMap, body: Body) -> Result<Response, Refused> {
        let proof = self.proof(headers)?;
        let body = self.body(body).await?;
        if !proof.is_of(&body) {
            return Err(refused(StatusCode::UNAUTHORIZED, "the body is not the one that was signed"));
        }
        let asked: Asked<'_> = serde_json::from_slice(&body)
            .map_err(|error| refused(StatusCode::BAD_REQUEST, format!("no read that is known here: {error}")))?;
        self.take_once(&proof, &asked.node)?;
        let read = timeout(millis(self.answering.limits.timeout_ms), self.read(&asked));
        let read = read.await.unwrap_or_else(|_| Some(Err(too_slow())));
        let Some(read) = read else {
            let why = format!("this process does not drive node {}", asked.node);
            return Err(refused(StatusCode::MISDIRECTED_REQUEST, why));
        };
        let (status, body) = (StatusCode::OK, encoded(&asked, read)?);
        let proven = proof.of_answer(&self.answering.key, status, &body);
        Ok((status, [(CONTENT_TYPE.as_str(), "application/json"), (ANSWER_PROOF, proven.as_str())], body)
            .into_response())
    }

    fn proof(&self, headers: &HeaderMap) -> Result<Proof, Refused> {
        let Answering { key, address, .. } = &self.answering;
        let proof = Proof::claimed(headers)
            .ok_or_else(|| refused(StatusCode::UNAUTHORIZED, "processes of this deployment sign what they ask"))?;
        self.check_time(&proof)?;
        if !proof.is_right(key, address) {
            let why = "the signature is not of this deployment's key, or for another address";
            return Err(refused(StatusCode::UNAUTHORIZED, why));
        }
        Ok(proof)
    }

    fn check_time(&self, proof: &Proof) -> Result<(), Refused> {
        let window = self.answering.limits.window_seconds;
        if clock().abs_diff(proof.at) <= u64::from(window) {
            return Ok(());
        }
        let why = format!("the time of this read is more than {window} seconds from the clock here");
        Err(refused(StatusCode::UNAUTHORIZED, why))
    }

    async fn body(&self, body: Body) -> Result<Bytes, Refused> {
        let whole = timeout(millis(self.answering.limits.timeout_ms), Limited::new(body, MAX_BODY).collect()).await;
        match whole {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                Err(refused(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {MAX_BODY} bytes")))
            }
            Ok(Err(error)) => Err(refused(StatusCode::BAD_REQUEST, format!("the body: {error}"))),
            Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        }
    }

    /// Its body may have taken long: what is remembered of the first time goes with the window.
    fn take_once(&self, proof: &Proof, node: &str) -> Result<(), Refused> {
        self.check_time(proof)?;
        let until = proof.at + i64::from(self.answering.limits.window_seconds);
        self.replays.take(node, &proof.mac, until, clock()).map_err(|untaken| match untaken {
            Untaken::Again => refused(StatusCode::UNAUTHORIZED, "this read was answered before"),
            Untaken::Full => {
                refused(StatusCode::TOO_MANY_REQUESTS, "too many reads of this node: [internal.limits] remembered")
            }
        })
    }

    async fn read(&self, asked: &Asked<'_>) -> Option<Result<Reading>> {
        let _turn = self.turns.acquire().await.ok()?;
        self.answering.nodes.read(&asked.node, asked.read.call()).await
    }
}

/// No more than was asked for: who asked would not take it.
fn encoded(asked: &Asked<'_>, read: Result<Reading>) -> Result<Vec<u8>, Refused> {
    let encode = |read| {
        serde_json::to_vec(&Answered::of(&asked.node, read))
            .map_err(|error| refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    };
    let body = encode(read)?;
    if body.len() <= asked.read.most_bytes() {
        return Ok(body);
    }
    let why = format!("an answer of {} bytes, more than were asked for", body.len());
    encode(Err(Error::new(ErrorCode::DriverFailed, "The hypervisor driver failed.").with_internal(why)))
}
