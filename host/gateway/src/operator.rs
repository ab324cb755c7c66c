//! The operator's listener: health and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::gateway::Shared;

/// A readiness check that takes longer has failed: probes usually give up after a second or few.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// `/healthz`: the process lives. `/readyz`: it takes requests. `/metrics`: OpenMetrics text.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "GET only\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "/healthz, /readyz, /metrics\n"))
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    match tokio::time::timeout(READY_WITHIN, shared.core.ready()).await {
        Ok(Ok(())) => (StatusCode::OK, "ok\n"),
        Ok(Err(error)) => {
            tracing::warn!(error = error.for_log(), "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the core is not ready\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the core does not answer in time\n"),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], shared.metrics.text().await)
}
