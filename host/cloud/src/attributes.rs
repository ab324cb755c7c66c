//! What a personality keeps of its own with a resource: a JSON object of personality to its own JSON object, which the core gives no
//! meaning to. Each sees and replaces its own part alone.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use skyloom_model::{Error, Result};
use skyloom_runtime::context::CallContext;

use crate::bounds;

/// Nobody keeps anything.
pub(crate) const NONE: &str = "{}";

const FIELD: &str = "attributes";

/// As they stand, unread: how deep a part is nested is its personality's.
type Parts = BTreeMap<String, Box<RawValue>>;

/// The calling personality's part, as JSON text.
pub(crate) fn own(context: &CallContext, all: &str) -> Result<String> {
    if all == NONE {
        return Ok(all.to_owned());
    }
    let mut all: Parts = serde_json::from_str(all).map_err(Error::internal)?;
    Ok(all.remove(&*context.personality).map_or_else(|| NONE.to_owned(), |own| own.get().to_owned()))
}

/// All with the calling personality's part replaced; the others' stay as they are. `invalid` on `attributes`.
pub(crate) fn with(context: &CallContext, all: &str, own: &str) -> Result<String> {
    bounds::bytes(FIELD, bounds::ATTRIBUTES, [own])?;
    let own: serde_json::Map<String, serde_json::Value> = serde_json::from_str(own)
        .map_err(|_| Error::invalid(FIELD, "The attributes are no JSON object.").with_reason("malformed"))?;
    if own.is_empty() && all == NONE {
        return Ok(all.to_owned());
    }
    let mut all: Parts = serde_json::from_str(all).map_err(Error::internal)?;
    if own.is_empty() {
        all.remove(&*context.personality);
    } else {
        all.insert(context.personality.to_string(), to_raw_value(&own).map_err(Error::internal)?);
    }
    let all = serde_json::to_string(&all).map_err(Error::internal)?;
    bounds::bytes(FIELD, bounds::ALL_ATTRIBUTES, [all.as_str()])?;
    Ok(all)
}

/// [`with`] in place, where an update says something.
pub(crate) fn put(context: &CallContext, all: &mut String, write: Option<&str>) -> Result<()> {
    if let Some(own) = write {
        *all = with(context, all, own)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
