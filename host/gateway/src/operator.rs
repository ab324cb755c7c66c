//! The operator's listener: health and metrics.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};

use crate::body::{Answer, AnswerBody};
use crate::gateway::Shared;

/// A readiness check that takes longer has failed: probes usually give up after a second or few.
const READY_WITHIN: Duration = Duration::from_secs(2);

pub struct Operator {
    shared: Arc<Shared>,
}

impl Operator {
    pub fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { shared })
    }

    /// `/healthz`: the process lives. `/readyz`: it takes requests. `/metrics`: OpenMetrics text.
    pub async fn serve<B>(&self, request: &Request<B>) -> Response<AnswerBody> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        }
        match request.uri().path() {
            "/healthz" => plain(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready().await,
            "/metrics" => {
                let mut answer = Answer::bytes(self.shared.metrics.text().await);
                let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
                answer.headers_mut().insert(CONTENT_TYPE, kind);
                answer.into_response()
            }
            _ => plain(StatusCode::NOT_FOUND, "/healthz, /readyz, /metrics\n"),
        }
    }

    async fn ready(&self) -> Response<AnswerBody> {
        if self.shared.is_draining() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        match tokio::time::timeout(READY_WITHIN, self.shared.core.ready()).await {
            Ok(Ok(())) => plain(StatusCode::OK, "ok\n"),
            Ok(Err(error)) => {
                tracing::warn!(error = error.for_log(), "not ready");
                plain(StatusCode::SERVICE_UNAVAILABLE, "the core is not ready\n")
            }
            Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the core does not answer in time\n"),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<AnswerBody> {
    let mut answer = Answer::bytes(text);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer.into_response()
}
