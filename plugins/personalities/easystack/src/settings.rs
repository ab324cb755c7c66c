//! What the deployment says about a mount.

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Deleted servers go into the recycle bin, which is what the vendor's document describes.
    pub recycle_bin: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { recycle_bin: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_recycle_bin_unless_the_mount_says_otherwise() {
        let read = |text: &str| serde_json::from_str::<Settings>(text);
        assert!(read("{}").unwrap().recycle_bin);
        assert!(!read(r#"{"recycle-bin":false}"#).unwrap().recycle_bin);
        assert!(read(r#"{"unknown":1}"#).is_err());
    }
}
