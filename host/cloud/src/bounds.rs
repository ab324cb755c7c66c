//! How many bytes of callers' text one resource holds. Each text has a length of its own; that all together are bounded too keeps a
//! list of many such resources, which anybody may ask for, small.

use skyloom_model::{Error, Result};

/// An image's name, tags and properties: one property of the largest size, and as much beside it.
pub const IMAGE: usize = 128 * 1024;
/// Pairs of one map of a server, flavor or the like: 128 of the longest keys and values, whatever their script.
pub const PAIRS: usize = 256 * 1024;
/// Attributes that one personality keeps with a resource, as JSON; also those of all disks of one request.
pub const ATTRIBUTES: usize = 64 * 1024;
/// The same of all personalities.
pub const ALL_ATTRIBUTES: usize = 256 * 1024;
/// The same of all rules of a security group, which stand in it wherever it is shown.
pub const RULES_ATTRIBUTES: usize = 1024 * 1024;
/// Attributes of a domain, project, user or role that the core gives no meaning to, as JSON.
pub const EXTRA: usize = 64 * 1024;

/// `invalid` on `field` when the texts have more than `most` bytes together.
pub fn bytes<'t>(field: &str, most: usize, texts: impl IntoIterator<Item = &'t str>) -> Result<()> {
    let sum: usize = texts.into_iter().map(str::len).sum();
    if sum <= most {
        return Ok(());
    }
    let message = format!("All texts together have {sum} bytes, of at most {most}.");
    Err(Error::invalid(field, message).with_reason("too-long"))
}

/// [`bytes`] of keys and values.
pub fn pairs<'t>(field: &str, most: usize, pairs: impl IntoIterator<Item = (&'t String, &'t String)>) -> Result<()> {
    bytes(field, most, pairs.into_iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_bytes_together_and_the_field_is_named() {
        bytes("tags", 6, ["abc", "", "\u{e9}x"]).unwrap();
        let error = bytes("tags", 5, ["abc", "\u{e9}x"]).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("tags"));
        assert!(error.message.contains("6 bytes"), "{}", error.message);
        assert_eq!((error.field.as_deref(), error.reason.as_deref()), (Some("tags"), Some("too-long")));
        let pair = ("key".to_owned(), "value".to_owned());
        pairs("metadata", 8, [(&pair.0, &pair.1)]).unwrap();
        pairs("metadata", 7, [(&pair.0, &pair.1)]).unwrap_err();
    }
}
