//! Reads what an operator or an author wrote into types. What doesn't fit is told in plain words, with the whole path of its key and,
//! of a text, its line: the libraries' own words are of types and variants, which the writer of a file never sees.

use std::fmt::{self, Display};

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// From the text of a TOML file. Err: one line.
pub fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let line = |at: usize| text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let message = error.message().replace('\n', " ");
        error.span().map_or_else(|| message.clone(), |span| format!("line {}: {message}", line(span.start)))
    })?;
    let at = table.span().start;
    let root = Node { value: from_table(table.into_inner()), at };
    T::deserialize(root).map_err(|misfit| match misfit.at {
        Some(at) => format!("line {}: {misfit}", line(at)),
        None => misfit.to_string(),
    })
}

/// From members that were read already. Err: one line, without the place where they stand.
pub fn read_members<T: DeserializeOwned>(members: serde_json::Map<String, Json>) -> Result<T, String> {
    T::deserialize(from_json(Json::Object(members))).map_err(|misfit| misfit.to_string())
}

/// A value and where it begins.
struct Node {
    value: Value,
    at: usize,
}

enum Value {
    Nothing,
    Text(String),
    Number(i128),
    Fraction(f64),
    Flag(bool),
    List(Vec<Node>),
    /// Names with where they begin.
    Table(Vec<(String, usize, Node)>),
}

fn from_table(table: DeTable<'_>) -> Value {
    let member = |(name, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let at = name.span().start;
        (name.into_inner().into_owned(), at, from_toml(value))
    };
    Value::Table(table.into_iter().map(member).collect())
}

fn from_toml(value: Spanned<DeValue<'_>>) -> Node {
    let at = value.span().start;
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::Text(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Fraction(number),
            Err(_) => Value::Text(number.to_string()),
        },
        DeValue::Boolean(flag) => Value::Flag(flag),
        // No setting is one; plugins get them as texts.
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => Value::List(items.into_iter().map(from_toml).collect()),
        DeValue::Table(table) => from_table(table),
    };
    Node { value, at }
}

fn from_json(value: Json) -> Node {
    let value = match value {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Flag(flag),
        Json::Number(number) => match number.as_i128() {
            Some(number) => Value::Number(number),
            None => Value::Fraction(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        Json::Object(members) => {
            Value::Table(members.into_iter().map(|(name, value)| (name, 0, from_json(value))).collect())
        }
    };
    Node { value, at: 0 }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let read = match self.value {
            Value::Nothing => visitor.visit_unit(),
            Value::Text(text) => visitor.visit_string(text),
            Value::Number(number) => match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_u64(number),
                _ => visitor.visit_i128(number),
            },
            Value::Fraction(number) => visitor.visit_f64(number),
            Value::Flag(flag) => visitor.visit_bool(flag),
            Value::List(items) => visitor.visit_seq(Items { items: items.into_iter(), number: 0 }),
            Value::Table(members) => visitor.visit_map(Members { members: members.into_iter(), of: None }),
        };
        read.map_err(|misfit| misfit.at(self.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if matches!(self.value, Value::Nothing) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let at = self.at;
        let read = match self.value {
            Value::Text(text) => {
                let text: StringDeserializer<Misfit> = text.into_deserializer();
                visitor.visit_enum(text)
            }
            Value::Table(members) => {
                visitor.visit_enum(MapAccessDeserializer::new(Members { members: members.into_iter(), of: None }))
            }
            _ => return self.deserialize_any(visitor),
        };
        read.map_err(|misfit| misfit.at(at))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items {
    items: std::vec::IntoIter<Node>,
    number: usize,
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.number += 1;
        let at = item.at;
        seed.deserialize(item).map(Some).map_err(|misfit| misfit.at(at).below(Step::Item(self.number)))
    }
}

struct Members {
    members: std::vec::IntoIter<(String, usize, Node)>,
    /// The value whose name was read.
    of: Option<(String, Node)>,
}

impl<'de> de::MapAccess<'de> for Members {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let Some((name, at, value)) = self.members.next() else { return Ok(None) };
        self.of = Some((name.clone(), value));
        let text: StringDeserializer<Misfit> = name.clone().into_deserializer();
        seed.deserialize(text).map(Some).map_err(|misfit| misfit.at(at).below(Step::Member(name)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (name, value) = self.of.take().ok_or_else(|| de::Error::custom("a value was read before its name"))?;
        let at = value.at;
        seed.deserialize(value).map_err(|misfit| misfit.at(at).below(Step::Member(name)))
    }
}

/// What doesn't fit, and where.
#[derive(Debug)]
struct Misfit {
    /// From the innermost step outwards.
    path: Vec<Step>,
    at: Option<usize>,
    says: String,
}

#[derive(Debug)]
enum Step {
    Member(String),
    /// Counted from 1.
    Item(usize),
}

impl Misfit {
    fn new(says: String) -> Self {
        Self { path: Vec::new(), at: None, says }
    }

    fn at(self, at: usize) -> Self {
        Self { at: self.at.or(Some(at)), ..self }
    }

    fn below(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }
}

/// `[state] dir: ...`, `[[listener]] address: ...`, as the file has it.
impl Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An item of a plain list is named with its key.
        let items = self.path.iter().take_while(|step| matches!(step, Step::Item(_))).count();
        let mut steps = self.path[items..].iter().rev().peekable();
        let (mut table, mut several, mut key) = (String::new(), false, "");
        while let Some(step) = steps.next() {
            match step {
                Step::Item(_) => several = true,
                Step::Member(name) if steps.peek().is_none() => key = name,
                Step::Member(name) => {
                    several = false;
                    table += if table.is_empty() { "" } else { "." };
                    table += name;
                }
            }
        }
        match (table.as_str(), several) {
            ("", _) => {}
            (table, true) => write!(formatter, "[[{table}]] ")?,
            (table, false) => write!(formatter, "[{table}] ")?,
        }
        formatter.write_str(key)?;
        for step in self.path[..items].iter().rev() {
            if let Step::Item(number) = step {
                write!(formatter, " (item {number})")?;
            }
        }
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{colon}{}", self.says)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::new(format!("{} is wanted, not {}", plain(&wanted.to_string()), shown(found)))
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("there is no `{name}`; {}", offered(known)))
    }

    fn unknown_field(_: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("there is no such key; {}", offered(known)))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new("it must be said".to_owned()).below(Step::Member(name.to_owned()))
    }
}

fn offered(known: &[&str]) -> String {
    if known.is_empty() { "there is none".to_owned() } else { format!("known are {}", known.join(", ")) }
}

/// What a type wants, in words of the file.
fn plain(wanted: &str) -> String {
    let whole = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match wanted {
        "u8" => whole(0, u8::MAX.into()),
        "u16" => whole(0, u16::MAX.into()),
        "u32" => whole(0, u32::MAX.into()),
        "u64" | "usize" => "a whole number from 0 up".to_owned(),
        "i8" => whole(i8::MIN.into(), i8::MAX.into()),
        "i16" => whole(i16::MIN.into(), i16::MAX.into()),
        "i32" => whole(i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "path string" | "string" => "a text in quotes".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("enum ") => "one of its words".to_owned(),
        other => other.to_owned(),
    }
}

/// Never a text: it may be a secret in the wrong place.
fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(_) | Unexpected::Char(_) => "a text".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        _ => "what it is".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct File {
        #[serde(default)]
        folder: PathBuf,
        small: Option<u8>,
        #[serde(default)]
        part: Vec<Part>,
        #[serde(default)]
        named: BTreeMap<String, Part>,
        #[serde(default)]
        any: BTreeMap<String, Json>,
        choice: Option<Choice>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged, expecting = "true, false or a number is wanted")]
    enum Choice {
        Flag(bool),
        Number(u64),
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Part {
        name: String,
        #[serde(default)]
        kind: Kind,
        #[serde(default)]
        words: Vec<String>,
        #[serde(default)]
        ratio: f64,
        #[serde(default)]
        on: bool,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        #[default]
        Plain,
        Odd {
            size: i64,
        },
    }

    fn read(text: &str) -> Result<File, String> {
        read_toml(text)
    }

    #[test]
    fn what_fits_is_read_as_the_library_reads_it() {
        let text = "folder = \"a/b\"\nsmall = 0xff\n[[part]]\nname = \"one\"\nkind = { odd = { size = -1 } }\nwords = [\"x\"]\n\
                    ratio = 1.5\non = true\n[named.two]\nname = \"2\"\nkind = \"plain\"\nratio = 2.0\n\
                    [any]\nbig = 9_000_000_000\ndeep = { a = [1, \"x\", false] }\n";
        assert_eq!(read(text).unwrap(), toml::from_str(text).unwrap());
        let time = read("any.at = 2026-01-01T00:00:00Z\n").unwrap();
        assert_eq!(time.any["at"], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_line_and_the_path_of_its_key() {
        for (text, said) in [
            ("\nfolder = 5\n", "line 2: folder: a text in quotes is wanted, not 5"),
            ("small = 256\n", "line 1: small: a whole number from 0 to 255 is wanted, not 256"),
            ("small = -1\n", "line 1: small: a whole number from 0 to 255 is wanted, not -1"),
            ("small = 1.5\n", "line 1: small: a whole number from 0 to 255 is wanted, not 1.5"),
            ("small = \"a secret\"\n", "line 1: small: a whole number from 0 to 255 is wanted, not a text"),
            ("colour = 1\n", "line 1: colour: there is no such key; known are folder, small, part, named, any, choice"),
            ("\nchoice = -1\n", "line 2: choice: true, false or a number is wanted"),
            ("part = 5\n", "line 1: part: a list is wanted, not 5"),
            ("part = [5]\n", "line 1: part (item 1): a table is wanted, not 5"),
            ("[[part]]\non = true\n", "line 1: [[part]] name: it must be said"),
            (
                "[[part]]\nname = \"a\"\n[[part]]\nname = true\n",
                "line 4: [[part]] name: a text in quotes is wanted, not true",
            ),
            ("[named.x]\nname = \"a\"\non = \"y\"\n", "line 3: [named.x] on: true or false is wanted, not a text"),
            (
                "[named.x]\nname = \"a\"\ncolour = 1\n",
                "line 3: [named.x] colour: there is no such key; known are name, kind, words, ratio, on",
            ),
            (
                "[[part]]\nname = \"a\"\nwords = [\"b\", 3]\n",
                "line 3: [[part]] words (item 2): a text in quotes is wanted, not 3",
            ),
            ("[[part]]\nname = \"a\"\nwords = \"b\"\n", "line 3: [[part]] words: a list is wanted, not a text"),
            (
                "[[part]]\nname = \"a\"\nkind = \"round\"\n",
                "line 3: [[part]] kind: there is no `round`; known are plain, odd",
            ),
            ("[[part]]\nname = \"a\"\nkind.odd = {}\n", "line 3: [part.kind.odd] size: it must be said"),
            ("[[part]]\nname = \"a\"\nratio = \"x\"\n", "line 3: [[part]] ratio: a number is wanted, not a text"),
        ] {
            assert_eq!(read(text).unwrap_err(), said);
        }
        for text in ["[part\n", "small = 1\nsmall = 2\n"] {
            assert!(read(text).unwrap_err().starts_with("line "), "{text}");
        }
        let members = serde_json::Map::from_iter([("on".to_owned(), Json::Bool(true))]);
        assert_eq!(read_members::<Part>(members).unwrap_err(), "name: it must be said");
    }
}
