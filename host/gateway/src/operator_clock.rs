//! The operator's call that turns the clock of this process on, so that tests need not wait for what happens at its time. Only a
//! deployment that says so has it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::patch;
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, json};
use skyloom_model::{Action, Error, Timestamp};

use crate::operator_nodes::{answer, permit};
use crate::shared::Shared;

/// Largest body in bytes.
const MAX_BODY: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Turn {
    /// By how much the clock is ahead of where it was; it never goes back.
    seconds: u32,
}

/// `/clock`: PATCH `{"seconds": N}`; the answer has the time that it then is.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/clock", patch(turn)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(shared)
}

async fn turn(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let turned = async {
        let user = permit(&shared, &headers, Action::ClockTurn).await?;
        let turn: Turn =
            serde_json::from_slice(&body).map_err(|error| Error::invalid("body", format!("the body: {error}")))?;
        Timestamp::turn_on(Duration::from_secs(turn.seconds.into()));
        tracing::warn!(user, seconds = turn.seconds, "the clock was turned on");
        Ok(Map::from_iter([("now-microseconds".to_owned(), json!(Timestamp::now().0))]))
    };
    answer(turned.await)
}
