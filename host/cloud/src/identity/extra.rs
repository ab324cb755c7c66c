//! Attributes that a face keeps and the core gives no meaning to.

use serde_json::Value;
use skyloom_model::{Error, Result};
use skyloom_store::identity::Extra;

use crate::bounds;

/// Puts what a write names in the place of what is there; the rest stays.
pub(super) fn merge(extra: &mut Extra, write: Option<String>) -> Result<()> {
    let Some(write) = write else { return Ok(()) };
    let write: Extra =
        serde_json::from_str(&write).map_err(|_| Error::invalid("extra", "The attributes must be a JSON object."))?;
    let heaviest = write.iter().max_by_key(|(name, value)| name.len() + value.to_string().len());
    let heaviest = heaviest.map(|(name, _)| name.clone()).unwrap_or_default();
    extra.extend(write);
    let all = serde_json::to_string(extra).map_err(Error::internal)?;
    bounds::bytes("attributes", bounds::EXTRA, [all.as_str()]).map_err(|error| {
        let message = format!("The attribute '{heaviest}' does not fit: {}", error.message);
        Error::invalid(heaviest, message)
    })
}

pub(super) fn text(extra: Extra) -> String {
    Value::Object(extra).to_string()
}
