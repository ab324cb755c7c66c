//! The core of the cloud as the gateway needs it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use skyloom_cloud::images::UploadWriter;
use skyloom_cloud::{Base, Cloud};
use skyloom_model::{Caller, Error, ErrorCode, Permission, Result};
use skyloom_runtime::context::CallContext;
use skyloom_runtime::driver::{ReadCall, Reading};

use crate::core::{BlobSink, Core, SigningKey};
use crate::internal::DrivenNodes;

#[async_trait]
impl Core for Cloud {
    async fn caller_of_token(&self, token: &str) -> Result<Arc<Caller>> {
        self.identity.caller_of_token(token).await
    }

    async fn signing_key(&self, id: &str) -> Result<Arc<SigningKey>> {
        self.identity.signing_key(id).await
    }

    fn permit(&self, caller: Option<&Caller>, asked: &Permission) -> Result<()> {
        Base::permit(self, caller, asked.clone()).map(drop)
    }

    async fn act_in(&self, caller: &Caller, project_id: &str) -> Result<Option<Arc<Caller>>> {
        self.identity.act_in(caller, project_id).await
    }

    async fn create_blob(&self, context: &Arc<CallContext>) -> Result<Box<dyn BlobSink>> {
        Ok(Box::new(Sink(self.images.create_blob(context).await?)))
    }

    async fn open_blob(&self, name: &str) -> Result<(tokio::fs::File, u64)> {
        self.images.open_blob(name).await
    }

    async fn abort_upload(&self, context: &Arc<CallContext>) {
        self.images.abort_upload(context).await;
    }

    async fn ready(&self) -> Result<()> {
        let asked = async { self.db().read().await?.one("SELECT CAST(1 AS BIGINT)", &[], |row| row.int(0)).await };
        asked.await.map(drop).map_err(|error| {
            Error::new(ErrorCode::Unavailable, "the database does not answer").with_internal(error.for_log())
        })
    }
}

#[async_trait]
impl DrivenNodes for Cloud {
    async fn read(&self, node: &str, call: ReadCall<'_>) -> Option<Result<Reading>> {
        self.compute.read_for_another(node, call).await
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
