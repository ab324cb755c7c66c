//! The access log: a line for each request, where the deployment wants it.

use std::net::IpAddr;
use std::time::Duration;

use http::Method;
use http::request::Parts;
use hyper::body::Body;
use skyloom_model::Caller;

use crate::answer::{Answer, Served};
use crate::incoming::declared_length;

/// Bytes of a path, and of the names of a query, that a line shows.
const SHOWN: usize = 512;

/// What a line tells of a request. Of a query the names only: values may be secrets.
pub(crate) struct Asked {
    method: Method,
    path: String,
    query: String,
    client: Option<IpAddr>,
}

impl Asked {
    pub fn new(parts: &Parts, client: Option<IpAddr>) -> Self {
        let names =
            parts.uri.query().unwrap_or_default().split('&').map(|part| part.split('=').next().unwrap_or_default());
        let query = names.collect::<Vec<_>>().join("&");
        Self { method: parts.method.clone(), path: cut(parts.uri.path()), query: cut(&query), client }
    }

    /// Written when the head of the answer is ready; `bytes` are those of the body, where they are known by then.
    pub fn log(&self, request_id: &str, served: &Served, took: Duration) {
        let caller = served.caller.as_deref();
        tracing::info!(
            target: "access",
            request_id,
            client = self.client.map(tracing::field::display),
            user = caller.map(|caller| &*caller.user.id),
            project = caller.and_then(Caller::project_id),
            method = self.method.as_str(),
            path = self.path,
            query = self.query,
            plugin = &*served.plugin,
            operation = &*served.operation,
            status = served.answer.status().as_u16(),
            bytes = bytes(&served.answer),
            micros = took.as_micros() as u64,
        );
    }
}

/// None: of a stream whose length nobody said.
fn bytes(answer: &Answer) -> Option<u64> {
    answer.body().size_hint().exact().or_else(|| declared_length(answer.headers()))
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(SHOWN)].to_owned()
}
