//! The bytes of a streamed upload: from the socket to the store, never through a sandbox.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use skyloom_runtime::bindings::personality::exports::skyloom::personality::handler as wit;
use skyloom_runtime::context::CallContext;

use crate::core::Response;
use crate::incoming::{ClientBody, declared_length};
use crate::refusal::{Refusal, Refused};
use crate::settings::millis;
use crate::shared::Shared;

/// An upload that the plugin has accepted.
pub(crate) struct Upload<'a> {
    pub shared: &'a Shared,
    pub context: &'a Arc<CallContext>,
    /// Bytes.
    pub limit: u64,
}

impl Upload<'_> {
    /// Stores the bytes, then calls the plugin again. Whatever goes wrong, the core hears of it.
    pub async fn run<F>(
        self,
        headers: &HeaderMap,
        body: ClientBody,
        again: impl FnOnce(wit::Upload) -> F,
    ) -> Result<Response, Refused>
    where
        F: Future<Output = Result<Response, Refused>>,
    {
        let result = match self.store(headers, body).await {
            Ok(stored) => again(stored).await,
            Err(refused) => Err(refused),
        };
        if result.as_ref().map_or(true, |response| response.status >= 400) {
            self.shared.core.abort_upload(self.context).await;
        }
        result
    }

    async fn store(&self, headers: &HeaderMap, mut body: ClientBody) -> Result<wit::Upload, Refused> {
        if declared_length(headers).is_some_and(|length| length > self.limit) {
            return Err(Refusal::TooLarge.into());
        }
        let failed = |error: skyloom_model::Error| {
            if error.internal_text().is_some() {
                tracing::error!(
                    request_id = &*self.context.request_id,
                    error = error.for_log(),
                    "an upload cannot be stored"
                );
            }
            Refused::from(Refusal::from(error.code))
        };
        let stall = millis(self.shared.settings.stall_timeout_ms);
        let mut sink = self.shared.core.create_blob(self.context).await.map_err(failed)?;
        let mut taken: u64 = 0;
        loop {
            let frame = match tokio::time::timeout(stall, body.frame()).await {
                Ok(None) => break,
                Ok(Some(Ok(frame))) => frame,
                // The client went away or sent a broken stream; nobody reads this answer.
                Ok(Some(Err(_))) => return Err(Refusal::MalformedRequest.into()),
                Err(_) => return Err(Refusal::BodyTimeout.into()),
            };
            let bytes: Bytes = frame.into_data().unwrap_or_default();
            taken += bytes.len() as u64;
            if taken > self.limit {
                return Err(Refusal::TooLarge.into());
            }
            if !bytes.is_empty() {
                sink.write(bytes).await.map_err(failed)?;
            }
        }
        let (blob, size) = sink.finish().await.map_err(failed)?;
        Ok(wit::Upload { blob, size })
    }
}
