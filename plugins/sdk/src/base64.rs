//! Base64, as far as a plugin looks into it: bodies pass it on as it is.

/// Bytes that a base64 text stands for, by its length; none when it is no base64.
#[must_use]
pub fn length(text: &str) -> Option<usize> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let padding = packed.iter().rev().take_while(|byte| **byte == b'=').count();
    let content = &packed[..packed.len() - padding];
    let letters = content.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    (letters && padding <= 2 && packed.len().is_multiple_of(4)).then(|| packed.len() / 4 * 3 - padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_told_of_base64_only() {
        assert_eq!(length("aGVsbG8="), Some(5));
        assert_eq!(length("aGVs\nbG8="), Some(5));
        assert_eq!(length(""), Some(0));
        assert_eq!(length("aGVsbG8"), None);
        assert_eq!(length("a*Vs"), None);
    }
}
