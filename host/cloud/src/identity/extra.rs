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
    extra.extend(write);
    let all = serde_json::to_string(extra).map_err(Error::internal)?;
    bounds::bytes("extra", bounds::EXTRA, [all.as_str()])
}

pub(super) fn text(extra: Extra) -> String {
    Value::Object(extra).to_string()
}
