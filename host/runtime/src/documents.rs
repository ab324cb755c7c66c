//! What stands behind the capability `documents`. The wiring gives it; the store implements it.

use async_trait::async_trait;
use skyloom_model::Result;

/// A JSON document of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub id: String,
    pub body: String,
    /// From 1, one more with every write.
    pub version: u64,
}

/// The functions of `skyloom:host/documents`, see there for what each promises. `owner` keeps plugins apart.
#[async_trait]
pub trait Documents: Send + Sync {
    async fn get(&self, owner: &str, collection: &str, id: &str) -> Result<Option<Document>>;
    async fn list(&self, owner: &str, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>>;
    async fn put(&self, owner: &str, collection: &str, id: &str, body: &str, expected: Option<u64>) -> Result<u64>;
    async fn delete(&self, owner: &str, collection: &str, id: &str, expected: Option<u64>) -> Result<bool>;
}
