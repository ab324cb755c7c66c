//! The operator's call about compute nodes: what a driver is configured with, changed until the process ends. Unlike health
//! and metrics it asks who calls; the policy decides as everywhere.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};
use skyloom_model::{Action, Error, ErrorClass, ErrorCode, Result};

use crate::credentials::after_scheme;
use crate::shared::Shared;

/// Largest body in bytes: much more than any configuration.
const MAX_BODY: usize = 64 * 1024;

/// The compute nodes of this process and their drivers' configuration.
#[async_trait]
pub trait Nodes: Send + Sync + 'static {
    /// What the node's driver has now. `not-found`: this process has no such node.
    async fn config(&self, node: &str) -> Result<Map<String, Value>>;

    /// Lays `changes` over it, as a JSON merge patch does, and gives what the driver has from now on. `invalid` when the
    /// driver's schema refuses it; nothing has changed then.
    async fn change_config(&self, node: &str, changes: Map<String, Value>) -> Result<Map<String, Value>>;
}

struct Calls {
    shared: Arc<Shared>,
    nodes: Arc<dyn Nodes>,
}

/// `/nodes/{name}/config`: GET and PATCH.
pub(crate) fn router(shared: Arc<Shared>, nodes: Arc<dyn Nodes>) -> Router {
    Router::new()
        .route("/nodes/{name}/config", get(show).patch(change))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Calls { shared, nodes }))
}

async fn show(State(calls): State<Arc<Calls>>, Path(node): Path<String>, headers: HeaderMap) -> Response {
    let shown = async {
        permit(&calls.shared, &headers, Action::NodesConfigure).await?;
        calls.nodes.config(&node).await
    };
    answer(shown.await)
}

async fn change(
    State(calls): State<Arc<Calls>>,
    Path(node): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // It goes on to its end when the client hangs up, as every change does.
    let tasks = calls.shared.tasks.clone();
    let changed = tasks.spawn(async move {
        let user = permit(&calls.shared, &headers, Action::NodesConfigure).await?;
        let changes: Map<String, Value> = serde_json::from_slice(&body)
            .map_err(|error| Error::invalid("body", format!("the body is no JSON object: {error}")))?;
        let config = calls.nodes.change_config(&node, changes).await?;
        tracing::info!(node, user, "the driver's configuration was changed by an operator");
        Ok(config)
    });
    answer(changed.await.unwrap_or_else(|error| Err(Error::internal(error))))
}

/// Gives the name of the user.
pub(crate) async fn permit(shared: &Shared, headers: &HeaderMap, action: Action) -> Result<String> {
    let token = headers.get(AUTHORIZATION).and_then(|value| after_scheme(value.to_str().ok()?, "Bearer"));
    let Some(token) = token else {
        let text = "an administrator's token is wanted: `Authorization: Bearer TOKEN`";
        return Err(Error::new(ErrorCode::Unauthenticated, text));
    };
    let caller = shared.core.caller_of_token(token).await?;
    shared.core.permit(Some(&*caller), &action.into())?;
    Ok(caller.user.name.clone())
}

pub(crate) fn answer(result: Result<Map<String, Value>>) -> Response {
    match result {
        Ok(config) => ([(CONTENT_TYPE, "application/json")], Value::Object(config).to_string() + "\n").into_response(),
        Err(error) => {
            if error.class() == ErrorClass::Bug {
                tracing::warn!(error = error.for_log(), "an operator's call failed");
            }
            let mut response = (status(&error), error.message + "\n").into_response();
            if error.code == ErrorCode::Unauthenticated {
                response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn status(error: &Error) -> StatusCode {
    match (error.code, error.class()) {
        (ErrorCode::Unauthenticated, _) => StatusCode::UNAUTHORIZED,
        (ErrorCode::Forbidden, _) => StatusCode::FORBIDDEN,
        (ErrorCode::NotFound, _) => StatusCode::NOT_FOUND,
        (_, ErrorClass::Caller) => StatusCode::BAD_REQUEST,
        (_, ErrorClass::Conflict) => StatusCode::CONFLICT,
        (_, ErrorClass::Capacity | ErrorClass::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, ErrorClass::Bug) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
