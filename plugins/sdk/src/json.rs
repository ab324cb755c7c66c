//! JSON both ways: [`Writer`] appends straight to one buffer (no tree of values in between, which is what costs most in a
//! fresh sandbox), [`Fields`] reads a parsed body with errors that name the place.

use serde_json::{Map, Value};

/// A member's name, escaped and quoted at compile time by [`key!`](crate::key).
#[derive(Clone, Copy, Debug)]
pub struct Key(&'static str);

impl Key {
    /// For [`key!`](crate::key) only: `fragment` is `,"name":`.
    #[doc(hidden)]
    #[must_use]
    pub const fn from_fragment(fragment: &'static str) -> Self {
        Self(fragment)
    }
}

/// A member's name that needs no escaping, e.g. `key!("id")`.
#[macro_export]
macro_rules! key {
    ($name:literal) => {
        $crate::json::Key::from_fragment(concat!(",\"", $name, "\":"))
    };
}

/// Longer texts are appended by one call.
const SHORT: usize = 128;

/// Appends. In a sandbox a copy costs a call of the host unless its length is known when the guest is compiled; most texts of an
/// answer are short, so they are copied in blocks.
pub(crate) fn append(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        0..4 => {
            for byte in bytes {
                out.push(*byte);
            }
        }
        4..8 => append_blocks::<4>(out, bytes),
        8..16 => append_blocks::<8>(out, bytes),
        16..SHORT => append_blocks::<16>(out, bytes),
        _ => out.extend_from_slice(bytes),
    }
}

/// At least one block of `N` bytes. What is left over is the end of a last block, which is written over the end of the one before.
fn append_blocks<const N: usize>(out: &mut Vec<u8>, bytes: &[u8]) {
    let (blocks, rest) = bytes.as_chunks::<N>();
    for block in blocks {
        out.extend_from_slice(block);
    }
    if let Some(last) = bytes.last_chunk::<N>()
        && !rest.is_empty()
    {
        out.truncate(out.len() + rest.len() - N);
        out.extend_from_slice(last);
    }
}

/// Appends JSON to a buffer. Commas come by themselves; the caller keeps objects and arrays balanced.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// Whether the next key or element needs a comma before it.
    comma: bool,
}

impl Writer {
    /// `capacity` in bytes: a guess a little too large is better than one growth.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity), comma: false }
    }

    /// How many have been written.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.out.len()
    }

    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    pub fn begin_object(&mut self) -> &mut Self {
        self.separate();
        self.out.push(b'{');
        self.comma = false;
        self
    }

    pub fn end_object(&mut self) -> &mut Self {
        self.out.push(b'}');
        self.comma = true;
        self
    }

    pub fn begin_array(&mut self) -> &mut Self {
        self.separate();
        self.out.push(b'[');
        self.comma = false;
        self
    }

    pub fn end_array(&mut self) -> &mut Self {
        self.out.push(b']');
        self.comma = true;
        self
    }

    /// The name of the next member.
    pub fn key(&mut self, key: Key) -> &mut Self {
        let fragment = key.0.as_bytes();
        append(&mut self.out, if self.comma { fragment } else { &fragment[1..] });
        self.comma = false;
        self
    }

    /// A member's name that is known only now.
    pub fn dynamic_key(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.out.push(b':');
        self.comma = false;
        self
    }

    pub fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        escape(&mut self.out, text);
        self.out.push(b'"');
        self
    }

    /// A string made of parts, e.g. a link; nothing is put together first.
    pub fn joined(&mut self, parts: &[&str]) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        for part in parts {
            escape(&mut self.out, part);
        }
        self.out.push(b'"');
        self
    }

    pub fn optional_string(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    pub fn integer(&mut self, number: i64) -> &mut Self {
        self.separate();
        if number < 0 {
            self.out.push(b'-');
        }
        digits(&mut self.out, number.unsigned_abs());
        self
    }

    pub fn unsigned(&mut self, number: u64) -> &mut Self {
        self.separate();
        digits(&mut self.out, number);
        self
    }

    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.raw(if value { "true" } else { "false" })
    }

    pub fn null(&mut self) -> &mut Self {
        self.raw("null")
    }

    /// One value that is JSON already.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.separate();
        append(&mut self.out, json.as_bytes());
        self
    }

    /// A string written by `write` into the buffer; it must write nothing that needs escaping (dates, ids, numbers).
    pub fn plain(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.separate();
        self.out.push(b'"');
        write(&mut self.out);
        self.out.push(b'"');
        self
    }

    /// A map of strings.
    pub fn string_map<'a, T: AsRef<str> + 'a>(&mut self, pairs: impl IntoIterator<Item = &'a (T, T)>) -> &mut Self {
        self.begin_object();
        for (name, value) in pairs {
            self.dynamic_key(name.as_ref()).string(value.as_ref());
        }
        self.end_object()
    }

    pub fn strings<'a, T: AsRef<str> + 'a>(&mut self, items: impl IntoIterator<Item = &'a T>) -> &mut Self {
        self.begin_array();
        for item in items {
            self.string(item.as_ref());
        }
        self.end_array()
    }
}

fn digits(out: &mut Vec<u8>, mut number: u64) {
    let mut buffer = [0_u8; 20];
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    append(out, &buffer[at..]);
}

/// Bytes that can't stand in a JSON string as they are.
const ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// Appends `text` with what JSON demands escaped; the quotes are the caller's.
pub fn escape(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = first_escaped(rest) {
        append(out, &rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    append(out, rest);
}

/// Eight bytes at a time: most of an answer is text without anything to escape.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    let clean = words.iter().take_while(|word| !has_escaped(u64::from_le_bytes(**word))).count() * 8;
    let from = if clean < words.len() * 8 { &bytes[clean..] } else { tail };
    from.iter().position(|&byte| ESCAPED[usize::from(byte)]).map(|at| clean + at)
}

/// Whether one of the eight bytes is below 0x20, a quotation mark or a backslash.
fn has_escaped(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // The high bit of a byte is set when the byte is below `limit` (at most 0x80) and has no high bit itself. A borrow can set it
    // in the bytes above one that is below too, so the sum is right, the places aren't.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (below(word, 0x20) | equal(b'"') | equal(b'\\')) & (ONES * 0x80) != 0
}

/// What is wrong with a body, where. The personality words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer, e.g. `/server/name`; empty for the whole body.
    pub pointer: String,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The body is no JSON.
    Malformed,
    Missing,
    /// What it should have been, e.g. `string`.
    WrongType(&'static str),
}

/// One object of a request's body. Absent members and `null` are the same to the optional readers.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// How deep: names from the root, for the pointer of an error.
    path: &'a [&'a str],
}

/// Parses a body that must be an object.
pub fn parse_object(body: &[u8]) -> Result<Map<String, Value>, FieldError> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(FieldError { pointer: String::new(), problem: Problem::WrongType("object") }),
        Err(_) => Err(FieldError { pointer: String::new(), problem: Problem::Malformed }),
    }
}

macro_rules! readers {
    ($($(#[$meta:meta])* $optional:ident, $required:ident -> $kind:ty = $expected:literal, $read:expr;)*) => {
        $(
            $(#[$meta])*
            pub fn $optional(&self, name: &str) -> Result<Option<$kind>, FieldError> {
                match self.map.get(name) {
                    None | Some(Value::Null) => Ok(None),
                    Some(value) => {
                        let read: fn(&'a Value) -> Option<$kind> = $read;
                        read(value).map(Some).ok_or_else(|| self.error(name, Problem::WrongType($expected)))
                    }
                }
            }

            pub fn $required(&self, name: &str) -> Result<$kind, FieldError> {
                self.$optional(name)?.ok_or_else(|| self.error(name, Problem::Missing))
            }
        )*
    };
}

impl<'a> Fields<'a> {
    #[must_use]
    pub fn new(map: &'a Map<String, Value>, path: &'a [&'a str]) -> Self {
        Self { map, path }
    }

    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    #[must_use]
    pub fn names(&self) -> serde_json::map::Keys<'a> {
        self.map.keys()
    }

    #[must_use]
    pub fn error(&self, name: &str, problem: Problem) -> FieldError {
        let mut pointer = String::new();
        for part in self.path {
            pointer.push('/');
            pointer.push_str(part);
        }
        pointer.push('/');
        pointer.push_str(name);
        FieldError { pointer, problem }
    }

    readers! {
        optional_str, str -> &'a str = "string", |value| value.as_str();
        optional_i64, i64 -> i64 = "integer", |value| value.as_i64();
        optional_u64, u64 -> u64 = "integer", |value| value.as_u64();
        optional_bool, bool -> bool = "boolean", |value| value.as_bool();
        optional_array, array -> &'a [Value] = "array", |value| value.as_array().map(Vec::as_slice);
        optional_object, object -> &'a Map<String, Value> = "object", |value| value.as_object();
    }

    /// A map of strings, as metadata is.
    pub fn optional_pairs(&self, name: &str) -> Result<Option<Vec<(String, String)>>, FieldError> {
        let Some(map) = self.optional_object(name)? else { return Ok(None) };
        map.iter()
            .map(|(key, value)| match value.as_str() {
                Some(value) => Ok((key.clone(), value.to_owned())),
                None => Err(self.error(&format!("{name}/{key}"), Problem::WrongType("string"))),
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::with_capacity(64);
        writer.begin_object();
        writer.key(key!("text")).string("a \"quoted\" \\ line\nwith \u{1} and \u{7f} and 云");
        writer
            .key(key!("numbers"))
            .begin_array()
            .integer(-12)
            .integer(i64::MIN)
            .unsigned(u64::MAX)
            .unsigned(0)
            .end_array();
        writer.key(key!("none")).null().key(key!("yes")).boolean(true);
        writer.key(key!("link")).joined(&["http://host", "/", "x\"y"]);
        writer.key(key!("map")).string_map(&[("k\"".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())]);
        writer
            .key(key!("empty"))
            .begin_object()
            .end_object()
            .key(key!("list"))
            .strings(&["a".to_owned(), "b".to_owned()]);
        writer.dynamic_key("late").raw("{\"a\":1}").end_object();
        let read: Value = serde_json::from_slice(&writer.finish()).unwrap();
        assert_eq!(
            read,
            serde_json::json!({
                "text": "a \"quoted\" \\ line\nwith \u{1} and \u{7f} and 云",
                "numbers": [-12, i64::MIN, u64::MAX, 0],
                "none": null, "yes": true, "link": "http://host/x\"y", "map": {"k\"": "v", "l": ""},
                "empty": {}, "list": ["a", "b"], "late": {"a": 1},
            })
        );
    }

    #[test]
    fn every_control_character_survives() {
        let text: String = (0_u8..=0x7f).map(char::from).collect();
        let mut writer = Writer::default();
        writer.string(&text);
        let read: String = serde_json::from_slice(&writer.finish()).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn what_is_escaped_is_found_at_every_place_beside_every_byte() {
        let plain = ['a', ' ', '!', '#', '[', ']', '\u{7f}', '云', '\u{10ffff}'];
        for beside in plain {
            for at in 0..20 {
                for special in ['"', '\\', '\0', '\u{1f}', '\n'] {
                    let mut text: String = std::iter::repeat_n(beside, 20).collect();
                    let place = text.char_indices().nth(at).unwrap().0;
                    text.insert(place, special);
                    let mut out = Vec::new();
                    escape(&mut out, &text);
                    let quoted = [b"\"", out.as_slice(), b"\""].concat();
                    assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
                    assert!(out.len() > text.len(), "{text:?} is written as it is");
                }
                let text: String = std::iter::repeat_n(beside, at).collect();
                let mut out = Vec::new();
                escape(&mut out, &text);
                assert_eq!(out, text.as_bytes());
            }
        }
    }

    #[test]
    fn what_is_appended_is_whole_at_every_length() {
        for length in 0..=2 * SHORT {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut out = vec![b'<'];
            append(&mut out, &bytes);
            assert_eq!(out, [b"<", bytes.as_slice()].concat(), "{length}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let map = parse_object(br#"{"name": 1, "none": null, "meta": {"a": 2}}"#).unwrap();
        let fields = Fields::new(&map, &["server"]);
        assert_eq!(fields.str("name").unwrap_err().pointer, "/server/name");
        assert_eq!(fields.str("missing").unwrap_err().problem, Problem::Missing);
        assert_eq!(fields.optional_str("none").unwrap(), None);
        assert_eq!(fields.optional_pairs("meta").unwrap_err().pointer, "/server/meta/a");
        assert_eq!(parse_object(b"[]").unwrap_err().problem, Problem::WrongType("object"));
        assert_eq!(parse_object(b"{").unwrap_err().problem, Problem::Malformed);
    }
}
