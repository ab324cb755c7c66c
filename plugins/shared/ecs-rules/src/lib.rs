//! What that vendor's two ways to make a server have in common: its own API (`ecs-v1`) and its compute API (`compute-v2` with
//! the dialect `ecs`). Each words its refusals itself.

pub mod sale;

/// Longest name of one server, in columns.
pub const NAME_COLUMNS: usize = 128;
/// Longest name where several servers get a mark behind it, in columns.
pub const NAMES_COLUMNS: usize = 59;
/// Longest description, in characters.
pub const DESCRIPTION: usize = 85;
/// Longest user data, in bytes before it is encoded.
pub const USER_DATA: usize = 32 * 1024;
/// The mark that tells servers of one request apart: a dash and this many digits.
const MARK_DIGITS: usize = 4;

/// How long a name is: a Chinese character counts for two.
#[must_use]
pub fn columns(name: &str) -> usize {
    name.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum()
}

/// Whether the name holds nothing but letters, digits, `_`, `-`, `.` and Chinese characters.
#[must_use]
pub fn is_plain(name: &str) -> bool {
    name.chars().all(|letter| {
        letter.is_ascii_alphanumeric()
            || matches!(letter, '_' | '-' | '.' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
    })
}

/// Letters that a description may not hold.
pub const NOT_IN_DESCRIPTION: &[char] = &['<', '>'];

/// Whether a description holds neither `<` nor `>`, and isn't too long.
#[must_use]
pub fn is_description(text: &str) -> bool {
    text.chars().count() <= DESCRIPTION && !text.contains(NOT_IN_DESCRIPTION)
}

/// Tags that the vendor's own services give.
pub const RESERVED_TAGS: &[&str] = &["__type_baremetal", "__type_virtual"];

/// The reserved key of a server's metadata that holds the password of a Windows guest's administrator.
pub const WINDOWS_PASSWORD: &str = "admin_pass";

/// Whether an image with these properties holds Windows.
#[must_use]
pub fn is_windows(properties: &[(String, String)]) -> bool {
    has(properties, "os_type", "windows")
}

/// Whether an image with these properties is one of a whole server with all its disks.
#[must_use]
pub fn is_full_server(properties: &[(String, String)]) -> bool {
    has(properties, "__whole_image", "true")
}

/// Whether a guest of an image with these properties takes what it is given at its first boot; the vendor's image service marks those
/// that don't.
#[must_use]
pub fn has_cloud_init(properties: &[(String, String)]) -> bool {
    !has(properties, "__support_fc_inject", "true")
}

fn has(properties: &[(String, String)], name: &str, word: &str) -> bool {
    properties.iter().any(|(key, value)| key == name && value.eq_ignore_ascii_case(word))
}

/// The names of `count` servers of one request. Several get a mark, `-0000` and upwards; a name that ends in one is counted on
/// from it.
#[must_use]
pub fn numbered(name: &str, count: u32) -> Vec<String> {
    if count == 1 {
        return vec![name.to_owned()];
    }
    let (stem, first) = split_mark(name).unwrap_or((name, 0));
    (0..count).map(|index| format!("{stem}-{:0width$}", first + index, width = MARK_DIGITS)).collect()
}

fn split_mark(name: &str) -> Option<(&str, u32)> {
    let (stem, digits) = name.rsplit_once('-')?;
    let is_mark = digits.len() == MARK_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_mark && !stem.is_empty() { digits.parse().ok().map(|first| (stem, first)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_numbered_and_a_given_mark_goes_on() {
        assert_eq!(numbered("web", 1), ["web"]);
        assert_eq!(numbered("web", 3), ["web-0000", "web-0001", "web-0002"]);
        assert_eq!(numbered("web-0010", 2), ["web-0010", "web-0011"]);
        assert_eq!(numbered("web-9999", 2), ["web-9999", "web-10000"]);
        assert_eq!(numbered("web-0010", 1), ["web-0010"]);
        assert_eq!(numbered("web-12", 2), ["web-12-0000", "web-12-0001"]);
        assert_eq!(numbered("-0001", 2), ["-0001-0000", "-0001-0001"]);
    }

    #[test]
    fn an_image_says_what_it_holds() {
        let properties =
            |name: &str, value: &str| vec![("a".to_owned(), "b".to_owned()), (name.to_owned(), value.to_owned())];
        assert!(is_windows(&properties("os_type", "Windows")) && !is_windows(&properties("os_type", "Linux")));
        assert!(is_full_server(&properties("__whole_image", "true")));
        assert!(!is_full_server(&properties("__whole_image", "false")) && !is_full_server(&[]));
    }

    #[test]
    fn names_and_descriptions() {
        assert_eq!(columns("web云"), 5);
        assert!(is_plain("Web_1.a-云"));
        for bad in ["a b", "a/b", "é", "a\n"] {
            assert!(!is_plain(bad), "{bad}");
        }
        assert!(is_description(&"云".repeat(DESCRIPTION)));
        for bad in ["<", ">", &"a".repeat(DESCRIPTION + 1)] {
            assert!(!is_description(bad), "{bad}");
        }
    }
}
