//! JSON bodies, read strictly: what two readers could understand in two ways is refused.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value};

/// How large a value may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Objects and arrays within each other.
    pub depth: u32,
    /// Values, all levels together; an object or an array is one, and each of its members.
    pub nodes: u32,
}

/// The whole value, or what is wrong with it: the rest of a sentence. A key twice in an object is wrong, and what exceeds a bound.
pub fn parse(bytes: &[u8], bounds: Bounds) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let nodes = Cell::new(Some(bounds.nodes));
    let strict = Strict { depth: bounds.depth, nodes: &nodes };
    let value = strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| match nodes.get() {
        None => format!("has more than {} values", bounds.nodes),
        Some(_) => said(&error),
    })
}

/// The reader's own words are for programmers; ours come as data.
fn said(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Data => format!("is not valid JSON: {error}"),
        Category::Eof => format!("is not valid JSON: it ends too early, at line {line} column {column}"),
        Category::Syntax | Category::Io => format!("is not valid JSON at line {line} column {column}"),
    }
}

#[derive(Clone, Copy)]
struct Strict<'n> {
    /// Levels that are left.
    depth: u32,
    /// Values that are left; None: there was one too many.
    nodes: &'n Cell<Option<u32>>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("the body is nested too deeply"))?;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.nodes.set(self.nodes.get().and_then(|left| left.checked_sub(1)));
        if self.nodes.get().is_none() {
            return Err(D::Error::custom("the body has too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if object.contains_key(&key) {
                return Err(A::Error::custom("a key stands twice in one object"));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

/// A JSON pointer in which `*` stands for every element or member.
#[derive(Debug)]
pub struct Pointer {
    segments: Vec<String>,
}

impl Pointer {
    /// Err: a line about what is wrong.
    pub fn compile(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else { return Err(format!("`{text}` is no JSON pointer")) };
        Ok(Self { segments: rest.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect() })
    }

    /// Every value that it points at, but no null.
    pub fn each(&self, value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
        walk(value, &self.segments, visit);
    }
}

fn walk(value: &mut Value, segments: &[String], visit: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = segments.split_first() else {
        if !value.is_null() {
            visit(value);
        }
        return;
    };
    match value {
        Value::Object(object) if first == "*" => object.values_mut().for_each(|item| walk(item, rest, visit)),
        Value::Array(list) if first == "*" => list.iter_mut().for_each(|item| walk(item, rest, visit)),
        Value::Object(object) => {
            if let Some(item) = object.get_mut(first) {
                walk(item, rest, visit);
            }
        }
        Value::Array(list) => {
            if let Some(item) = first.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                walk(item, rest, visit);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BOUNDS: Bounds = Bounds { depth: 4, nodes: 100 };

    #[test]
    fn values_are_counted_on_all_levels_together() {
        let bounds = Bounds { depth: 4, nodes: 7 };
        for text in [r#"{"a":[1,2,{"b":3}],"c":null}"#, "[[],[],[],[[]],{}]", "[0,0,0,0,0,0]"] {
            parse(text.as_bytes(), bounds).unwrap();
            let fewer = Bounds { nodes: 6, ..bounds };
            assert_eq!(parse(text.as_bytes(), fewer).unwrap_err(), "has more than 6 values", "{text}");
        }
        let broken = parse(b"[0,0", bounds).unwrap_err();
        assert!(broken.starts_with("is not valid JSON: "), "{broken}");
    }

    #[test]
    fn plain_json_is_read_as_it_is() {
        let text = br#"{"a":[1,-2,3.5,true,null,"x\u00e9"],"b":{}}"#;
        assert_eq!(parse(text, BOUNDS).unwrap(), serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn the_ambiguous_and_the_broken_are_refused() {
        for text in [
            &br#"{"a":1,"a":2}"#[..],
            br#"{"x":{"a":1,"b":2,"a":1}}"#,
            br#"{"a":1"#,
            br#"{"a":1} x"#,
            b"",
            b"{'a':1}",
            b"[1e999]",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"[[[[[1]]]]]",
            b"NaN",
        ] {
            assert!(parse(text, BOUNDS).is_err(), "{}", String::from_utf8_lossy(text));
        }
        assert!(parse(b"[[[[1]]]]", BOUNDS).is_ok());
        let said = |text: &str| parse(text.as_bytes(), BOUNDS).unwrap_err();
        assert_eq!(said("{'a':1}"), "is not valid JSON at line 1 column 2");
        assert_eq!(said("{\"a\":"), "is not valid JSON: it ends too early, at line 1 column 5");
        assert_eq!(said(r#"{"a":1,"a":2}"#), "is not valid JSON: a key stands twice in one object at line 1 column 13");
    }

    #[test]
    fn pointers_reach_every_item_of_a_star() {
        let mut value =
            json!({"a": [{"p": "1"}, {"p": 2}, {"q": "3"}, {"p": null}, {"p": {"p": "4"}}], "b": {"p": "5"}});
        let mut seen = Vec::new();
        Pointer::compile("/a/*/p")
            .unwrap()
            .each(&mut value, &mut |item| seen.push(std::mem::replace(item, json!("hidden"))));
        assert_eq!(seen, [json!("1"), json!(2), json!({"p": "4"})]);
        assert_eq!(
            (&value["a"][4]["p"], &value["a"][3]["p"], &value["b"]["p"]),
            (&json!("hidden"), &json!(null), &json!("5"))
        );
        Pointer::compile("/c").unwrap().each(&mut value, &mut |_| panic!("nothing is there"));
    }
}
