//! What the faces that speak Keystone have in common: tokens, lists, projects, bodies, errors. It exports nothing.

pub mod bodies;
mod errors;
pub mod extra;
pub mod lists;
pub mod projects;
pub mod tokens;

pub use errors::{Fault, error_response, violation};

use serde_json::Value;
use skyloom_sdk::{Response, respond};

/// What an operation gives: an answer, or a fault that becomes one.
pub type Answer = Result<Response, Fault>;

/// An answer with this body.
#[must_use]
pub fn json(status: u16, body: &Value) -> Response {
    respond::json(status, body.to_string().into_bytes())
}
