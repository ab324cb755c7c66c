//! A tariff that is a component: it imports nothing but the log, so the same input and digest give the same bytes.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Map;
use skyloom_model::{Error, Result};
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::bindings::tariff::exports::skyloom::tariff::rating::GuestIndices;
use crate::context::SecretVault;
use crate::error::LoadError;
use crate::guest::{self, GuestState, Sandbox};
use crate::manifest::Kind;
use crate::plugin::Plugin;
use crate::tariff::{Piece, Rated, Sheet, Tally, Tariff};

/// A loaded tariff. Each call has a fresh sandbox.
pub struct WasmTariff {
    plugin: Plugin,
    indices: GuestIndices,
    sandbox: Arc<Sandbox>,
    digest: Arc<str>,
}

impl Plugin {
    pub fn tariff(&self) -> Result<Arc<dyn Tariff>, LoadError> {
        self.expect(Kind::Tariff)?;
        Ok(Arc::new(WasmTariff {
            plugin: self.clone(),
            indices: GuestIndices::new(self.pre()).map_err(|error| LoadError::Link(format!("{error:#}")))?,
            sandbox: self.sandbox(None, self.id().into(), &Map::new())?,
            digest: self.digest_shared(),
        }))
    }
}

#[async_trait]
impl Tariff for WasmTariff {
    async fn rate(&self, pieces: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated> {
        let call = async |store: &mut Store<GuestState>, instance: Instance| {
            self.indices.load(&mut *store, &instance)?.call_rate(&mut *store, &pieces, &sheet, &tallies).await
        };
        let context = self.plugin.context("rating", SecretVault::default());
        guest::run(self.plugin.pre(), &self.sandbox, context, "rate", call)
            .await?
            .map_err(|reason| Error::internal(format!("tariff {} refuses: {reason}", self.plugin.id())))
    }

    fn digest(&self) -> &str {
        &self.digest
    }
}
