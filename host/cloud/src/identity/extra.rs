//! Attributes that a face keeps and the core gives no meaning to.

use skyloom_model::{Error, Result};
use skyloom_store::identity::Extra;

/// Largest sum of one resource's, in bytes of JSON.
const MAX_EXTRA: usize = 64 * 1024;

/// Puts what a write names in the place of what is there; the rest stays.
pub(super) fn merge(extra: &mut Extra, write: Option<String>) -> Result<()> {
    let Some(write) = write else { return Ok(()) };
    let write: Extra =
        serde_json::from_str(&write).map_err(|_| Error::invalid("extra", "The attributes must be a JSON object."))?;
    extra.extend(write);
    if text(extra).len() > MAX_EXTRA {
        let text = format!("The attributes of the resource's own must take at most {MAX_EXTRA} bytes together.");
        return Err(Error::invalid("extra", text));
    }
    Ok(())
}

pub(super) fn text(extra: &Extra) -> String {
    serde_json::to_string(extra).expect("a map of JSON is JSON")
}
