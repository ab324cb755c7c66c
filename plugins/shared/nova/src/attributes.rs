//! What this face alone knows of a server; the core keeps it as JSON and gives it to nobody else.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes<'a> {
    /// `OS-DCF:diskConfig`; none: MANUAL.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub disk_config: Option<Cow<'a, str>>,
    /// The availability zone that the request named.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Cow<'a, str>>,
    /// The system disk was asked for as a volume, so the server shows no image.
    #[serde(skip_serializing_if = "is_false")]
    pub from_volume: bool,
    /// Tags of the interfaces, in the order of the request's networks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nic_tags: Vec<Option<String>>,
    /// Tags of the disks by boot order: the system disk first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk_tags: Vec<Option<String>>,
    /// Scheduler hints without effect, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<serde_json::Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl<'a> Attributes<'a> {
    /// Servers made through another face have none; what can't be read is as good as none.
    pub fn read(text: &'a str) -> Self {
        if text.len() <= 2 {
            return Self::default();
        }
        serde_json::from_str(text).unwrap_or_default()
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    pub fn disk_config(&self) -> &str {
        self.disk_config.as_deref().unwrap_or("MANUAL")
    }
}

/// A tag by position; none where nobody gave one.
pub fn tag_at(tags: &[Option<String>], position: usize) -> Option<&str> {
    tags.get(position).and_then(Option::as_deref)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_survive_the_core() {
        assert_eq!(Attributes::default().write(), "{}");
        let attributes = Attributes {
            disk_config: Some("AUTO".into()),
            zone: Some("z \"1\"".into()),
            from_volume: true,
            nic_tags: vec![None, Some("data".to_owned())],
            ..Attributes::default()
        };
        let text = attributes.write();
        let read = Attributes::read(&text);
        assert_eq!(read, attributes);
        assert_eq!(tag_at(&read.nic_tags, 1), Some("data"));
        assert_eq!(tag_at(&read.nic_tags, 2), None);
        assert_eq!(Attributes::read("not json").disk_config(), "MANUAL");
    }
}
