//! What the deployment says about a mount.

use serde::de::DeserializeOwned;

use crate::errors::Fault;

/// The settings of this mount; natively there is none: the defaults.
#[cfg(not(target_arch = "wasm32"))]
#[allow(clippy::unnecessary_wraps, reason = "in the sandbox it can fail")]
pub fn of_the_mount<S: DeserializeOwned + Default>() -> Result<S, Fault> {
    Ok(S::default())
}

#[cfg(target_arch = "wasm32")]
pub fn of_the_mount<S: DeserializeOwned + Default>() -> Result<S, Fault> {
    serde_json::from_str(&skyloom_sdk::host::config::get())
        .map_err(|_| Fault::new(500, "The settings of this mount can't be read."))
}
