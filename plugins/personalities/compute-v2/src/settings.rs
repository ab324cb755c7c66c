//! What the deployment says about a mount.

use nova::Fault;

use crate::dialects::Dialect;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub dialect: Dialect,
}

impl Settings {
    /// Natively there is no mount: the default.
    #[cfg(not(target_arch = "wasm32"))]
    #[allow(clippy::unnecessary_wraps, reason = "in the sandbox it can fail")]
    pub(crate) fn of_the_mount() -> Result<Self, Fault> {
        Ok(Self::default())
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn of_the_mount() -> Result<Self, Fault> {
        serde_json::from_str(&skyloom_sdk::host::config::get())
            .map_err(|_| Fault::new(500, "The settings of this mount can't be read."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_names_its_dialect() {
        let read = |text: &str| serde_json::from_str::<Settings>(text);
        assert_eq!(read("{}").unwrap().dialect, Dialect::Upstream);
        assert_eq!(read(r#"{"dialect":"ecs"}"#).unwrap().dialect, Dialect::Ecs);
        assert!(read(r#"{"dialect":"other"}"#).is_err());
        assert!(read(r#"{"unknown":1}"#).is_err());
    }
}
