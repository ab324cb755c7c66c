//! What the gateway needs of the core, and the plugins that it calls.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use skyloom_model::{Caller, Error, ErrorCode, Permission, Result};
use skyloom_runtime::bindings::personality::exports::skyloom::personality::handler;
use skyloom_runtime::context::CallContext;
use skyloom_runtime::{Personality, RunError};

pub use handler::{Body, Request, Response, Upload, Violation};
pub use skyloom_cloud::identity::SigningKey;

/// Credentials, policy and stored bytes. `skyloom_cloud::Cloud` is one.
#[async_trait]
pub trait Core: Send + Sync + 'static {
    /// `unauthenticated` for a token that isn't valid, `unavailable` when it cannot be known.
    async fn caller_of_token(&self, token: &str) -> Result<Arc<Caller>>;

    /// The access key of this public name; errors as those of [`Core::caller_of_token`]. By itself it proves nothing: see
    /// [`SigningKey::verifies`].
    async fn signing_key(&self, _id: &str) -> Result<Arc<SigningKey>> {
        Err(Error::new(ErrorCode::Unauthenticated, "There are no access keys."))
    }

    /// The one policy table; asked again by each function of the core.
    fn permit(&self, caller: Option<&Caller>, asked: &Permission) -> Result<()>;

    /// A caller whose token is for a whole domain as one who acts in one of its projects. None: there is no such project in it.
    async fn act_in(&self, caller: &Caller, project_id: &str) -> Result<Option<Arc<Caller>>>;

    /// A place for the bytes of the upload that this request began; dropped unfinished, nothing stays.
    async fn create_blob(&self, context: &Arc<CallContext>) -> Result<Box<dyn BlobSink>>;

    /// Stored bytes and their number. `not-found` for a name that isn't there.
    async fn open_blob(&self, name: &str) -> Result<(tokio::fs::File, u64)>;

    /// An accepted upload of this request came to nothing.
    async fn abort_upload(&self, context: &Arc<CallContext>);

    /// Whether requests can be served now (the database answers). The error's message is for the operator.
    async fn ready(&self) -> Result<()>;
}

/// Where the bytes of an upload go.
#[async_trait]
pub trait BlobSink: Send {
    /// `quota-exceeded` where the project may not have so many.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Durable from here on: its name and size in bytes.
    async fn finish(self: Box<Self>) -> Result<(String, u64)>;
}

/// What answers the requests of a mount: a sandboxed personality, or in the benchmark the same code linked natively.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    async fn handle(&self, context: Arc<CallContext>, request: Request) -> Result<Response, RunError>;
}

#[async_trait]
impl Handler for Personality {
    async fn handle(&self, context: Arc<CallContext>, request: Request) -> Result<Response, RunError> {
        Personality::handle(self, context, request).await
    }
}
