//! Behind the sandbox: documents in memory, and a core that answers nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use skyloom_model::Result;
use skyloom_runtime::api::{
    BillingApi, CollectionsApi, ComputeApi, FlavorsApi, IdentityApi, ImagesApi, KeypairsApi, NetworksApi,
    OperationsApi, QuotasApi, VolumesApi,
};
use skyloom_runtime::bindings::cloud::{compute, images};
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;
use skyloom_runtime::{Document, Documents};

/// Documents in memory. A call about the document `stall` never ends.
#[derive(Debug, Default)]
pub struct Memory(Mutex<BTreeMap<[String; 3], (String, u64)>>);

impl Memory {
    fn key(owner: &str, collection: &str, id: &str) -> [String; 3] {
        [owner, collection, id].map(ToOwned::to_owned)
    }
}

fn other_version() -> skyloom_model::Error {
    skyloom_model::Error::new(skyloom_model::ErrorCode::WrongState, "another version")
}

async fn stall(id: &str) {
    if id.ends_with("stall") {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Documents for Memory {
    async fn get(&self, owner: &str, collection: &str, id: &str) -> Result<Option<Document>> {
        stall(id).await;
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stored.get(&Self::key(owner, collection, id)).cloned();
        Ok(found.map(|(body, version)| Document { id: id.to_owned(), body, version }))
    }

    async fn list(&self, owner: &str, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<Document>> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = stored.iter().filter(|(key, _)| key[0] == owner && key[1] == collection);
        let rest = of.filter(|(key, _)| after.is_none_or(|after| key[2].as_str() > after));
        let document = |(key, (body, version)): (&[String; 3], &(String, u64))| Document {
            id: key[2].clone(),
            body: body.clone(),
            version: *version,
        };
        Ok(rest.take(limit as usize).map(document).collect())
    }

    async fn put(&self, owner: &str, collection: &str, id: &str, body: &str, expected: Option<u64>) -> Result<u64> {
        stall(id).await;
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = stored.entry(Self::key(owner, collection, id)).or_default();
        if expected.is_some_and(|expected| expected != entry.1) {
            return Err(other_version());
        }
        *entry = (body.to_owned(), entry.1 + 1);
        Ok(entry.1)
    }

    async fn delete(&self, owner: &str, collection: &str, id: &str, expected: Option<u64>) -> Result<bool> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Self::key(owner, collection, id);
        match stored.get(&key) {
            Some((_, version)) if expected.is_some_and(|expected| expected != *version) => Err(other_version()),
            _ => Ok(stored.remove(&key).is_some()),
        }
    }
}

/// What [`StubCloud`] lets be uploaded, in bytes.
pub const UPLOAD: u64 = 100;

/// A core that knows no server and one image, `image` with the bytes `bytes`, and refuses everything else.
#[derive(Clone, Copy, Debug)]
pub struct StubCloud;

#[async_trait]
impl ComputeApi for StubCloud {
    async fn get_server(&self, _: &Arc<CallContext>, id: String, _: Vec<String>) -> Result<compute::Server, Error> {
        Err(skyloom_model::Error::not_found("server", id).into())
    }
}

#[async_trait]
impl ImagesApi for StubCloud {
    async fn open_download(&self, _: &Arc<CallContext>, id: String) -> Result<Option<images::Download>, Error> {
        known(&id)?;
        Ok(Some(images::Download { blob: "bytes".to_owned(), size: 5, checksum: String::new() }))
    }

    async fn begin_upload(&self, _: &Arc<CallContext>, id: String) -> Result<u64, Error> {
        known(&id)?;
        Ok(UPLOAD)
    }
}

fn known(image: &str) -> Result<(), Error> {
    if image == "image" { Ok(()) } else { Err(skyloom_model::Error::not_found("image", image).into()) }
}

impl FlavorsApi for StubCloud {}
impl KeypairsApi for StubCloud {}
impl OperationsApi for StubCloud {}
impl QuotasApi for StubCloud {}
impl NetworksApi for StubCloud {}
impl VolumesApi for StubCloud {}
impl BillingApi for StubCloud {}
impl CollectionsApi for StubCloud {}
impl IdentityApi for StubCloud {}
