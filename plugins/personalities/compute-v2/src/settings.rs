//! What the deployment says about a mount.

use crate::dialects::Dialect;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    pub dialect: Dialect,
    /// Deleted servers go into the recycle bin.
    pub recycle_bin: bool,
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
