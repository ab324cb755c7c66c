//! Credentials in a header.

/// What stands behind the scheme, as the token in `Bearer TOKEN`. The scheme's case doesn't matter (RFC 9110, 11.1).
pub(crate) fn after_scheme<'h>(value: &'h str, scheme: &str) -> Option<&'h str> {
    let (word, rest) = value.split_once(' ')?;
    word.eq_ignore_ascii_case(scheme).then(|| rest.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::after_scheme;

    #[test]
    fn the_scheme_is_a_word_of_either_case() {
        for value in ["Bearer t", "bearer t", "BEARER   t"] {
            assert_eq!(after_scheme(value, "Bearer"), Some("t"), "{value}");
        }
        assert_eq!(after_scheme("Bearer ", "Bearer"), Some(""));
        for value in ["", "t", "Bearer", "Bearert", "Basic t", " Bearer t", "Bearer\tt"] {
            assert_eq!(after_scheme(value, "Bearer"), None, "{value}");
        }
    }
}
