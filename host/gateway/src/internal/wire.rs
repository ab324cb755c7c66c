//! A read as it crosses from one process to another: HTTP with one path, bodies of JSON, and a proof in a header each way.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use skyloom_cloud::secrets::{Authenticator, MAC_BYTES};
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{ReadCall, Reading};
use uuid::Uuid;

use crate::credentials::after_scheme;
use crate::signing::hash;

pub(super) const METHOD: Method = Method::POST;
pub(super) const PATH: &str = "/reads";
/// Of the header Authorization, before the proof of a request.
const SCHEME: &str = "Skyloom-Read";
/// The header with the proof of an answer.
pub(super) const ANSWER_PROOF: &str = "skyloom-answer";
/// Bytes of an answer beside what was asked for: an error with its texts.
const ENVELOPE: usize = 64 * 1024;
/// Bytes of JSON for one of a text, at most: a control character.
const ESCAPED: usize = 6;

/// The body of a request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked<'a> {
    pub node: Cow<'a, str>,
    pub read: Read<'a>,
}

/// The reads that clients cause. What sagas and the reconciler read, they read where the driver is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(super) enum Read<'a> {
    ConsoleOutput { server_id: Cow<'a, str>, max_bytes: u32 },
}

impl<'a> Read<'a> {
    pub fn of(call: ReadCall<'a>) -> Result<Self> {
        match call {
            ReadCall::ConsoleOutput { server_id, max_bytes } => {
                Ok(Self::ConsoleOutput { server_id: server_id.into(), max_bytes })
            }
            ReadCall::Inspect { .. } | ReadCall::Capacity | ReadCall::Servers { .. } | ReadCall::Disks { .. } => {
                Err(Error::internal("this is read only by the process that drives the node"))
            }
        }
    }

    pub fn call(&self) -> ReadCall<'_> {
        match self {
            Self::ConsoleOutput { server_id, max_bytes } => {
                ReadCall::ConsoleOutput { server_id, max_bytes: *max_bytes }
            }
        }
    }

    /// Of the body of its answer.
    pub fn most_bytes(&self) -> usize {
        let Self::ConsoleOutput { max_bytes, .. } = self;
        (*max_bytes as usize).saturating_mul(ESCAPED).saturating_add(ENVELOPE)
    }
}

/// The body of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answered {
    Text(String),
    /// Of the driver.
    Error(Error),
}

impl Answered {
    /// What is for the log goes there and no further.
    pub fn of(node: &str, read: Result<Reading>) -> Self {
        let mut error = match read {
            Ok(Reading::Text(text)) => return Self::Text(text),
            Ok(other) => Error::internal(format!("a driver answered with {other:?}")),
            Err(error) => error,
        };
        if error.internal_text().is_some() {
            tracing::warn!(
                node,
                error = error.for_log(),
                "another process is told of an error without its internal half"
            );
            error.take_internal();
        }
        Self::Error(error)
    }

    pub fn reading(self) -> Result<Reading> {
        match self {
            Self::Text(text) => Ok(Reading::Text(text)),
            Self::Error(error) => Err(error),
        }
    }
}

/// The platform was too slow, or the way to its process.
pub(super) fn too_slow() -> Error {
    Error::new(ErrorCode::TimedOut, "The compute node did not answer in time.")
}

/// That a request is of a process with the deployment's key, is for this one, and when it was made.
#[derive(Debug)]
pub(super) struct Proof {
    /// Seconds since the epoch.
    pub at: i64,
    /// No two requests are the same.
    nonce: Uuid,
    /// Hash of the body.
    body: String,
    pub mac: [u8; MAC_BYTES],
}

impl Proof {
    /// `to`: the address that the other process has told.
    pub fn new(key: &Authenticator, to: &str, body: &[u8], at: i64) -> Self {
        let mut proof = Self { at, nonce: Uuid::new_v4(), body: hash(body), mac: [0; MAC_BYTES] };
        proof.mac = key.sign(&proof.message(to));
        proof
    }

    fn message(&self, to: &str) -> Vec<u8> {
        let Self { at, nonce, body, .. } = self;
        format!("{METHOD}\n{PATH}\n{to}\n{at}\n{nonce}\n{body}").into_bytes()
    }

    /// As it stands in the header Authorization.
    pub fn header(&self) -> String {
        format!("{SCHEME} {}.{}.{}.{}", self.at, self.nonce.simple(), self.body, hex::encode(self.mac))
    }

    /// None: there is none, or it makes no sense. Nothing of it is proven.
    pub fn claimed(headers: &HeaderMap) -> Option<Self> {
        let value = after_scheme(headers.get(AUTHORIZATION)?.to_str().ok()?, SCHEME)?;
        let mut parts = value.split('.');
        let (at, nonce, body, mac) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let mut proof =
            Self { at: at.parse().ok()?, nonce: nonce.parse().ok()?, body: body.to_owned(), mac: [0; MAC_BYTES] };
        hex::decode_to_slice(mac, &mut proof.mac).ok()?;
        parts.next().is_none().then_some(proof)
    }

    /// Takes the same time whatever was claimed.
    pub fn is_right(&self, key: &Authenticator, to: &str) -> bool {
        key.verifies(&self.message(to), &self.mac)
    }

    pub fn is_of(&self, body: &[u8]) -> bool {
        self.body == hash(body)
    }

    /// An answer is bound to its request.
    fn answer_message(&self, status: StatusCode, body: &[u8]) -> Vec<u8> {
        format!("answer\n{}\n{}\n{}", hex::encode(self.mac), status.as_u16(), hash(body)).into_bytes()
    }

    /// As it stands in the header of the answer.
    pub fn of_answer(&self, key: &Authenticator, status: StatusCode, body: &[u8]) -> String {
        hex::encode(key.sign(&self.answer_message(status, body)))
    }

    pub fn proves_answer(&self, key: &Authenticator, headers: &HeaderMap, status: StatusCode, body: &[u8]) -> bool {
        let mut mac = [0; MAC_BYTES];
        let claimed = headers.get(ANSWER_PROOF).is_some_and(|value| hex::decode_to_slice(value, &mut mac).is_ok());
        claimed && key.verifies(&self.answer_message(status, body), &mac)
    }
}
