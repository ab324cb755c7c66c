//! The store's documents as the sandbox wants them: neither crate knows the other.

use async_trait::async_trait;
use skyloom_model::Result;
use skyloom_runtime::{Document, Documents};

/// Give it to [`skyloom_runtime::Options`].
#[derive(Clone, Debug)]
pub struct PluginDocuments(pub skyloom_store::documents::Documents);

fn document(stored: skyloom_store::documents::Document) -> Document {
    Document { id: stored.id, body: stored.body, version: stored.version }
}

#[async_trait]
impl Documents for PluginDocuments {
    async fn get(&self, owner: &str, collection: &str, id: &str) -> Result<Option<Document>> {
        Ok(self.0.get(owner, collection, id).await?.map(document))
    }

    async fn list(&self, owner: &str, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>> {
        Ok(self.0.list(owner, collection, after, limit).await?.into_iter().map(document).collect())
    }

    async fn put(&self, owner: &str, collection: &str, id: &str, body: &str, expected: Option<u64>) -> Result<u64> {
        self.0.put(owner, collection, id, body, expected).await
    }

    async fn delete(&self, owner: &str, collection: &str, id: &str, expected: Option<u64>) -> Result<bool> {
        self.0.delete(owner, collection, id, expected).await
    }
}
