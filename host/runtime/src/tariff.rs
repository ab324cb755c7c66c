//! A tariff as the core sees it.

use async_trait::async_trait;
use skyloom_model::Result;

pub use crate::bindings::tariff::exports::skyloom::tariff::rating::{Charge, Price, Sheet, Span};

/// The function of `skyloom:tariff`. Implemented by a loaded component.
#[async_trait]
pub trait Tariff: Send + Sync {
    /// One charge for each span that costs something, in the order of the spans.
    async fn rate(&self, spans: Vec<Span>, sheet: Sheet) -> Result<Vec<Charge>>;
    /// Digest of the component, `sha256:<hex>`; stands beside each charge.
    fn digest(&self) -> &str;
}
