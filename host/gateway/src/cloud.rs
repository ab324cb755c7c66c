//! The core of the cloud as the gateway needs it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use skyloom_cloud::Cloud;
use skyloom_cloud::images::UploadWriter;
use skyloom_model::{Action, Caller, Error, ErrorCode, Result};
use skyloom_runtime::context::CallContext;

use crate::core::{BlobSink, Core};

#[async_trait]
impl Core for Cloud {
    async fn caller_of_token(&self, token: &str) -> Result<Arc<Caller>> {
        Cloud::caller_of_token(self, token).await
    }

    fn permit(&self, caller: Option<&Caller>, action: Action) -> Result<()> {
        Cloud::permit(self, caller, action)
    }

    async fn create_blob(&self, context: &Arc<CallContext>) -> Result<Box<dyn BlobSink>> {
        Ok(Box::new(Sink(Cloud::create_blob(self, context).await?)))
    }

    async fn open_blob(&self, name: &str) -> Result<(tokio::fs::File, u64)> {
        Cloud::open_blob(self, name).await
    }

    async fn abort_upload(&self, context: &Arc<CallContext>) {
        Cloud::abort_upload(self, context).await;
    }

    async fn ready(&self) -> Result<()> {
        let asked = async { self.db().read().await?.one("SELECT CAST(1 AS BIGINT)", &[], |row| row.int(0)).await };
        asked.await.map(drop).map_err(|error| {
            Error::new(ErrorCode::Unavailable, "the database does not answer").with_internal(error.for_log())
        })
    }
}

struct Sink(UploadWriter);

#[async_trait]
impl BlobSink for Sink {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.0.write(&bytes).await
    }

    async fn finish(self: Box<Self>) -> Result<(String, u64)> {
        let stored = self.0.finish().await?;
        Ok((stored.name, stored.size))
    }
}
