//! The operator's listener: health, metrics and the operator's calls.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::operator_clock;
use crate::operator_nodes::{self, Nodes};
use crate::shared::Shared;

/// A readiness check that takes longer has failed: probes usually give up after a second or few.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Something beside the core that must be well, e.g. the disks.
#[async_trait]
pub trait Check: Send + Sync {
    /// Err: what is wrong, for the operator.
    async fn check(&self) -> Result<(), String>;
}

struct Operator {
    shared: Arc<Shared>,
    checks: Vec<Arc<dyn Check>>,
}

/// `/healthz`: the process lives. `/readyz`: it takes requests, or a line says why it doesn't. `/metrics`: OpenMetrics text.
/// What changes something asks for a token, see [`operator_nodes`]. `turns_clock`: tests may turn it.
pub(crate) fn router(
    shared: Arc<Shared>,
    checks: Vec<Arc<dyn Check>>,
    nodes: Arc<dyn Nodes>,
    turns_clock: bool,
) -> Router {
    let clock = if turns_clock { operator_clock::router(shared.clone()) } else { Router::new() };
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Operator { shared: shared.clone(), checks }))
        .merge(operator_nodes::router(shared, nodes))
        .merge(clock)
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "the header Allow names what is\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "/healthz, /readyz, /metrics, /nodes/{name}/config\n"))
}

async fn ready(State(operator): State<Arc<Operator>>) -> (StatusCode, String) {
    let looked = tokio::time::timeout(READY_WITHIN, operator.look());
    match looked.await.unwrap_or_else(|_| Err("the core does not answer in time".to_owned())) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
    }
}

impl Operator {
    async fn look(&self) -> Result<(), String> {
        if self.shared.is_draining() {
            return Err("draining".to_owned());
        }
        if let Err(error) = self.shared.core.ready().await {
            tracing::warn!(error = error.for_log(), "not ready");
            return Err(error.message);
        }
        for check in &self.checks {
            check.check().await.inspect_err(|reason| tracing::warn!(reason, "not ready"))?;
        }
        Ok(())
    }
}

async fn metrics(State(operator): State<Arc<Operator>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], operator.shared.metrics.text().await)
}
