//! Query parameters of a request, decoded by the host; a name may stand more than once.

use crate::Pair;

#[derive(Clone, Copy, Debug)]
pub struct Query<'a>(pub &'a [Pair]);

impl<'a> Query<'a> {
    /// The last one wins, as most servers have it.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn first(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// Appends `text` percent-encoded as a query's name or value.
pub fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

/// Appends `text` percent-encoded as one segment of a path.
pub fn encode_segment(out: &mut String, text: &str) {
    let mut encoded = String::with_capacity(text.len());
    encode(&mut encoded, text);
    // A plus sign of the text is encoded, too: those that are left are blanks.
    out.push_str(&encoded.replace('+', "%20"));
}

/// The query of the next page's link: the request's own parameters, but another `marker`.
#[must_use]
pub fn with_marker(query: &[Pair], marker: &str) -> String {
    let mut text = String::with_capacity(64);
    for (name, value) in query.iter().filter(|(name, _)| name != "marker") {
        encode(&mut text, name);
        text.push('=');
        encode(&mut text, value);
        text.push('&');
    }
    text.push_str("marker=");
    encode(&mut text, marker);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_stand_more_than_once() {
        let pairs = [("a", "1"), ("b", "2"), ("a", "3")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let query = Query(&pairs);
        assert_eq!(query.first("a"), Some("1"));
        assert_eq!(query.last("a"), Some("3"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "3"]);
        assert!(query.has("b") && !query.has("c"));
    }

    #[test]
    fn the_next_page_keeps_the_filters() {
        let pairs = [("name", "a&b c"), ("marker", "old"), ("limit", "2")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(with_marker(&pairs, "n/1"), "name=a%26b+c&limit=2&marker=n%2F1");
    }
    #[test]
    fn a_segment_has_no_letter_that_means_something_in_a_path() {
        let mut path = "/tags/".to_owned();
        encode_segment(&mut path, "a b+c/d=ä");
        assert_eq!(path, "/tags/a%20b%2Bc%2Fd%3D%C3%A4");
    }
}
