//! The collections of a plugin, made of its manifest at load: what a record must be, and what of it is indexed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use skyloom_model::{Error, ErrorCode, Permission, Result};

use crate::error::LoadError;
use crate::manifest::{CollectionLimits, CollectionScope, CollectionTable, Manifest};
use crate::schemas;

/// Longest text of an indexed member, in bytes: 255 characters of any script, and an index entry that fits both databases.
const MAX_INDEXED_BYTES: usize = 1024;

/// All collections of a plugin. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Collections(Arc<[Collection]>);

/// Records of one kind.
#[derive(Debug)]
pub struct Collection {
    pub name: String,
    pub scope: CollectionScope,
    pub limits: CollectionLimits,
    pub schema_version: u32,
    pub indexed: Vec<Member>,
    /// Places among the indexed members.
    pub unique: Vec<Vec<usize>>,
    /// What the stored keys of records depend on.
    pub shape: String,
    pub read: Permission,
    pub create: Permission,
    pub update: Permission,
    pub delete: Permission,
    validator: Validator,
}

/// A member of records by which they are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub kind: MemberKind,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberKind {
    Text,
    /// Of 64 bits.
    Number,
    Flag,
}

/// A record that may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// As JSON without blanks.
    pub body: String,
    /// What its indexed members hold, in their order, in a form whose order as text is theirs. None: nothing.
    pub keys: Vec<Option<String>>,
}

impl Collections {
    /// From the manifest and the texts of its schemas by their files.
    pub fn compile(manifest: &Manifest, texts: &BTreeMap<String, String>) -> Result<Self, LoadError> {
        let made = manifest.collections.iter().map(|table| Collection::compile(&manifest.id, table, texts));
        Ok(Self(made.collect::<Result<_, _>>()?))
    }

    /// None: the manifest has none of this name.
    pub fn named(&self, name: &str) -> Option<&Collection> {
        self.0.iter().find(|collection| collection.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Collection> {
        self.0.iter()
    }
}

impl Collection {
    fn compile(plugin: &str, table: &CollectionTable, texts: &BTreeMap<String, String>) -> Result<Self, LoadError> {
        let refuse = |reason: String| LoadError::Schema { file: table.schema.clone(), reason };
        let text = texts.get(&table.schema).ok_or_else(|| refuse("is not in the package".to_owned()))?;
        let schema: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        if schema["type"] != "object" {
            return Err(refuse("a collection's records are objects: its `type` is `object`".to_owned()));
        }
        let member = |name: &String| {
            let kind = kind_of(&schema["properties"][name]["type"]).ok_or_else(|| {
                refuse(format!(
                    "the indexed member `{name}` needs a `type` in `properties`: string, integer or boolean"
                ))
            })?;
            Ok(Member { name: name.clone(), kind })
        };
        let indexed: Vec<Member> = table.indexed.iter().map(member).collect::<Result<_, _>>()?;
        let place = |name: &String| table.indexed.iter().position(|indexed| indexed == name);
        let unique: Vec<Vec<usize>> = table.unique.iter().map(|key| key.iter().filter_map(place).collect()).collect();
        let [read, create, update, delete] =
            table.actions(plugin).map(|(word, least)| Permission { word: word.into(), least: least.into() });
        Ok(Self {
            name: table.name.clone(),
            scope: table.scope,
            limits: table.limits,
            schema_version: table.schema_version,
            shape: shape(&indexed, &unique),
            indexed,
            unique,
            read,
            create,
            update,
            delete,
            validator: schemas::validator(&schema).map_err(refuse)?,
        })
    }

    /// The record that a body is. What the schema refuses is `invalid` on the member.
    pub fn record(&self, body: &str) -> Result<Record> {
        // Before it is read: values take many times their text.
        self.check_size(body)?;
        let body: Value =
            serde_json::from_str(body).map_err(|error| Error::invalid("body", format!("It is no JSON: {error}.")))?;
        if !body.is_object() {
            return Err(Error::invalid("body", "A record is a JSON object."));
        }
        if let Err(error) = self.validator.validate(&body) {
            return Err(Error::invalid(member_of(&error), crate::error::one_line(&error)));
        }
        let record = self.read(&body)?;
        self.check_size(&record.body)?;
        Ok(record)
    }

    fn check_size(&self, body: &str) -> Result<()> {
        let most = self.limits.item_kib as usize * 1024;
        if body.len() <= most {
            return Ok(());
        }
        let message = format!("The record has {} bytes, of at most {most}.", body.len());
        Err(Error::new(ErrorCode::TooLarge, message).with_field("body"))
    }

    /// The keys of a body that was taken before: whether it fits today's schema isn't asked, and what cannot be indexed isn't.
    pub fn keys_of_stored(&self, body: &str) -> Result<Vec<Option<String>>> {
        let body: Value = serde_json::from_str(body).map_err(Error::internal)?;
        Ok(self.indexed.iter().map(|member| member.key(&body[&member.name]).unwrap_or_default()).collect())
    }

    fn read(&self, body: &Value) -> Result<Record> {
        let keys = self.indexed.iter().map(|member| member.key(&body[&member.name])).collect::<Result<_>>()?;
        Ok(Record { body: body.to_string(), keys })
    }

    /// What stands for a record's values of each unique key, whatever their length; none: the record is free of the key.
    pub fn uniques(&self, keys: &[Option<String>]) -> Vec<Option<String>> {
        let value = |key: &Vec<usize>| {
            let values: Option<Vec<&str>> = key.iter().map(|place| keys.get(*place)?.as_deref()).collect();
            Some(hex::encode(Sha256::digest(Value::from(values?).to_string())))
        };
        self.unique.iter().map(value).collect()
    }
}

/// What the stored keys of records depend on: where it changes, they are made anew.
fn shape(indexed: &[Member], unique: &[Vec<usize>]) -> String {
    let indexed: Vec<Value> =
        indexed.iter().map(|member| format!("{} {:?}", member.name, member.kind).into()).collect();
    Value::from(vec![Value::from(indexed), unique.to_vec().into()]).to_string()
}

impl Member {
    fn key(&self, value: &Value) -> Result<Option<String>> {
        let key = match (self.kind, value) {
            (_, Value::Null) => return Ok(None),
            (MemberKind::Text, Value::String(text)) => text.clone(),
            (MemberKind::Number, Value::Number(number)) => {
                let whole = number.as_i64().or_else(|| whole(number.as_f64()?));
                whole.map(sortable).ok_or_else(|| self.refused())?
            }
            (MemberKind::Flag, Value::Bool(flag)) => flag.to_string(),
            _ => return Err(self.refused()),
        };
        if key.len() > MAX_INDEXED_BYTES {
            let message = format!("A text by which records are found has at most {MAX_INDEXED_BYTES} bytes.");
            return Err(Error::invalid(&*self.name, message).with_reason("too-long"));
        }
        if key.contains('\0') {
            return Err(Error::invalid(&*self.name, "A text by which records are found has no NUL character."));
        }
        Ok(Some(key))
    }

    /// A condition's value in the form of keys. None: no record can have it.
    pub fn key_of(&self, value: &str) -> Option<String> {
        match self.kind {
            MemberKind::Text => Some(value.to_owned()),
            MemberKind::Number => value.parse().ok().map(sortable),
            MemberKind::Flag => value.parse::<bool>().ok().map(|flag| flag.to_string()),
        }
    }

    fn refused(&self) -> Error {
        Error::invalid(&*self.name, format!("{} cannot have such a value.", self.name)).with_reason("malformed")
    }
}

/// Hex digits whose order as text is that of the numbers.
fn sortable(number: i64) -> String {
    format!("{:016x}", number.cast_unsigned() ^ (1 << 63))
}

/// A number that is written as a fraction and is none, as JSON Schema takes it for an integer. Beyond this a double isn't exact.
fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

/// The member that an error is about.
fn member_of(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().to_string();
    let member = pointer.split('/').nth(1).map(|member| member.replace("~1", "/").replace("~0", "~"));
    let named = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str().map(str::to_owned),
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected.first().cloned(),
        _ => None,
    };
    member.or(named).filter(|member| !member.is_empty()).unwrap_or_else(|| "body".to_owned())
}

/// `"string"`, or with null beside.
fn kind_of(kind: &Value) -> Option<MemberKind> {
    let word = match kind {
        Value::Array(words) => {
            let mut words = words.iter().filter(|word| *word != "null");
            words.next().filter(|_| words.next().is_none())?
        }
        word => word,
    };
    match word.as_str()? {
        "string" => Some(MemberKind::Text),
        "integer" => Some(MemberKind::Number),
        "boolean" => Some(MemberKind::Flag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
        "name": {"type": "string", "maxLength": 2000}, "size": {"type": ["integer", "null"]}, "open": {"type": "boolean"},
        "more": {"type": "array"}, "either": {"type": ["string", "integer"]}}}"#;

    fn compiled(indexed: &[&str], unique: &[&[&str]]) -> Result<Collection, LoadError> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let table = CollectionTable {
            name: "things".to_owned(),
            description: String::new(),
            scope: CollectionScope::Project,
            schema: "thing.json".to_owned(),
            schema_version: 1,
            indexed: owned(indexed),
            unique: unique.iter().map(|key| owned(key)).collect(),
            read: crate::manifest::OwnLeast::Reader,
            write: crate::manifest::OwnLeast::Member,
            limits: CollectionLimits { item_kib: 2, ..CollectionLimits::default() },
        };
        Collection::compile("plugin", &table, &BTreeMap::from([("thing.json".to_owned(), SCHEMA.to_owned())]))
    }

    #[test]
    fn a_record_is_what_the_schema_takes_and_its_refusal_names_the_member() {
        let things = compiled(&["name", "size", "open"], &[&["name", "size"]]).expect("a collection");
        assert_eq!(
            (things.read.word.as_ref(), things.delete.word.as_ref()),
            ("plugin:things:read", "plugin:things:delete")
        );
        let record = things.record(r#" {"size": -1, "name": "a"} "#).expect("a record");
        assert_eq!(record.body, r#"{"name":"a","size":-1}"#);
        assert_eq!(record.keys, [Some("a".to_owned()), Some("7fffffffffffffff".to_owned()), None]);
        assert_eq!(things.uniques(&record.keys)[0].as_deref().map(str::len), Some(64));
        assert_eq!(things.record(r#"{"size": -1.0, "name": "a"}"#).expect("a record").keys, record.keys);
        let free = things.record(r#"{"name": "a", "size": null}"#).expect("a record");
        assert_eq!(things.uniques(&free.keys), [None]);
        let blanks = things.record(&" ".repeat(2049)).expect_err("too large to be read");
        assert_eq!((blanks.code, blanks.field.as_deref()), (ErrorCode::TooLarge, Some("body")));
        let long = "x".repeat(1025);
        for (body, field) in [
            ("[]".to_owned(), "body"),
            ("{".to_owned(), "body"),
            ("{}".to_owned(), "name"),
            (r#"{"name": "a", "else": 1}"#.to_owned(), "else"),
            (r#"{"name": "a", "size": 1.5}"#.to_owned(), "size"),
            (r#"{"name": 1}"#.to_owned(), "name"),
            (r#"{"name": "a", "size": 1e30}"#.to_owned(), "size"),
            (r#"{"name": "a\u0000"}"#.to_owned(), "name"),
            (format!(r#"{{"name": "{long}"}}"#), "name"),
            (format!(r#"{{"name": "a", "more": ["{long}", "{long}"]}}"#), "body"),
        ] {
            assert_eq!(things.record(&body).expect_err(&body).field.as_deref(), Some(field), "{body}");
        }
    }

    #[test]
    fn numbers_as_texts_have_the_order_of_numbers() {
        let numbers = [i64::MIN, -300, -1, 0, 1, 9, 10, i64::MAX];
        assert!(numbers.map(sortable).is_sorted());
        let size = Member { name: "size".to_owned(), kind: MemberKind::Number };
        assert_eq!((size.key_of("10"), size.key_of("x")), (Some(sortable(10)), None));
    }

    #[test]
    fn what_cannot_be_indexed_is_a_defect_of_the_plugin() {
        for member in ["more", "nothing", "either"] {
            let error = compiled(&[member], &[]).expect_err(member).to_string();
            assert!(error.contains("thing.json") && error.contains(member), "{error}");
        }
    }
}
