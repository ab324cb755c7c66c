//! What isn't served is named by method and path, so that a client's author sees what is missing from what is misspelt.

use std::fmt;

use http::Method;
use http::request::Parts;

use crate::refusal::{Refusal, Refused};

/// The most of a path that is repeated; a method has a tenth of it. Bytes.
const SHOWN: usize = 200;

/// No operation has that path.
pub(crate) fn path(parts: &Parts) -> Refused {
    let sentence = format!("{} is not served here.", Asked(parts));
    Refused::because(Refusal::NotFound, sentence)
}

/// The path has other methods, as an Allow header has them.
pub(crate) fn method(parts: &Parts, allow: &str) -> Refused {
    let sentence = format!("{} is not served here; the path has {allow}.", Asked(parts));
    Refused::because(Refusal::MethodNotAllowed, sentence)
}

/// Other versions of the API have it.
pub(crate) fn version(parts: &Parts, version: impl fmt::Display) -> Refused {
    let sentence = format!("{} is not served at version {version}.", Asked(parts));
    Refused::because(Refusal::NotFound, sentence)
}

/// Method and path as the client sent them, cut and with nothing that isn't printed.
struct Asked<'r>(&'r Parts);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method: &Method = &self.0.method;
        write_cut(formatter, method.as_str(), SHOWN / 10)?;
        formatter.write_str(" ")?;
        write_cut(formatter, self.0.uri.path(), SHOWN)
    }
}

fn write_cut(formatter: &mut fmt::Formatter<'_>, text: &str, most: usize) -> fmt::Result {
    let shown = &text[..text.floor_char_boundary(most)];
    for sign in shown.chars() {
        if sign.is_ascii() { write!(formatter, "{sign}")? } else { write!(formatter, "{}", sign.escape_unicode())? }
    }
    if shown.len() < text.len() { formatter.write_str("...") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    fn said(method: &str, path: &str) -> String {
        let (parts, ()) = http::Request::builder().method(method).uri(path).body(()).unwrap().into_parts();
        super::path(&parts).message.unwrap()
    }

    #[test]
    fn a_sentence_names_what_was_asked_for() {
        assert_eq!(said("GET", "/v2.1/os-none?a=b"), "GET /v2.1/os-none is not served here.");
        assert_eq!(said("BREW", "*"), "BREW * is not served here.");
    }

    #[test]
    fn a_sentence_is_short_whatever_was_asked_for() {
        let long = format!("/{}", "x".repeat(8000));
        assert_eq!(said("GET", &long), format!("GET /{}... is not served here.", "x".repeat(199)));
        let method = "M".repeat(300);
        assert!(said(&method, "/").starts_with(&format!("{}... / is", "M".repeat(20))), "{}", said(&method, "/"));
    }
}
