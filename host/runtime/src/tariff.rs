//! A tariff as the core sees it.

use async_trait::async_trait;
use skyloom_model::Result;

pub use crate::bindings::tariff::exports::skyloom::tariff::rating::{Charge, Piece, Price, Rated, Sheet, Tally, Tier};

/// The function of `skyloom:tariff`. Implemented by a loaded component.
#[async_trait]
pub trait Tariff: Send + Sync {
    /// What the pieces cost, and the account's quantities of the month after them.
    async fn rate(&self, pieces: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated>;
    /// Digest of the component, `sha256:<hex>`; stands beside each charge.
    fn digest(&self) -> &str;
}
