//! JSON schemas of a plugin: of request bodies and of its configuration. Compiled once, at load; nothing is fetched.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::bindings::personality::exports::skyloom::personality::handler::Violation;
use crate::error::LoadError;
use crate::manifest::{ApiVersion, Manifest};
use crate::quotes::{CUT, MAX_NAME, Quotes, shortened};
use crate::schema_versions;

/// Most violations that one body is told of.
const MAX_VIOLATIONS: usize = 32;
/// Longest text of one, in bytes.
const MAX_TEXT: usize = 1024;

/// The compiled schemas of all operations.
#[derive(Debug, Default)]
pub struct SchemaSet {
    operations: BTreeMap<String, Arc<BodySchemas>>,
}

/// The compiled schemas of one operation.
#[derive(Debug)]
pub struct BodySchemas {
    /// By their first versions.
    ranges: Arc<Vec<Range>>,
    /// Where secrets stand in the body, by path.
    secrets: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Range {
    /// None: the first one.
    min: Option<ApiVersion>,
    text: Value,
    validator: Validator,
}

impl SchemaSet {
    pub fn compile(manifest: &Manifest, texts: &BTreeMap<String, String>) -> Result<Self, LoadError> {
        let mut compiled: BTreeMap<&str, Arc<Vec<Range>>> = BTreeMap::new();
        let mut operations = BTreeMap::new();
        let versioned = manifest.api.as_ref().is_some_and(|api| api.versioning.is_some());
        for operation in &manifest.operations {
            let Some(file) = operation.schema.as_deref() else { continue };
            let ranges = match compiled.get(file) {
                Some(known) => known.clone(),
                None => Arc::new(from_text(file, texts.get(file), versioned)?),
            };
            compiled.insert(file, ranges.clone());
            let secrets = operation.secrets.iter().map(|pointer| segments(pointer)).collect();
            operations.insert(operation.id.clone(), Arc::new(BodySchemas { ranges, secrets }));
        }
        Ok(Self { operations })
    }

    /// None: the operation has no schema.
    pub fn of(&self, operation: &str) -> Option<Arc<BodySchemas>> {
        self.operations.get(operation).cloned()
    }
}

fn segments(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect()
}

fn from_text(file: &str, text: Option<&String>, versioned: bool) -> Result<Vec<Range>, LoadError> {
    let refuse = |reason: String| LoadError::Schema { file: file.to_owned(), reason };
    let text = text.ok_or_else(|| refuse("is not in the package".to_owned()))?;
    let source = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    let made = schema_versions::of(&source).map_err(refuse)?;
    if made.len() > 1 && !versioned {
        return Err(refuse("has versions, but [api.versioning] is missing".to_owned()));
    }
    let range = |(min, text)| Ok(Range { min, validator: validator(&text).map_err(refuse)?, text });
    made.into_iter().map(range).collect()
}

/// Formats count; references reach into the schema itself only.
pub(crate) fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| crate::error::one_line(&error))
}

impl BodySchemas {
    /// What the schema of this version (none: of the first) finds wrong with the body. Give the body as the
    /// client sent it, and its text, which is quoted: no secret of it is.
    pub fn violations(&self, version: Option<ApiVersion>, body: &Value, text: &[u8]) -> Vec<Violation> {
        let Some(range) = self.ranges.iter().rfind(|range| range.min <= version) else { return Vec::new() };
        let validator = &range.validator;
        if validator.is_valid(body) {
            return Vec::new();
        }
        let mut quotes = Quotes::new(&self.secrets);
        let errors = validator.iter_errors(body).take(MAX_VIOLATIONS);
        errors.map(|error| violation(&range.text, &error, &mut quotes, text)).collect()
    }
}

fn violation(schema: &Value, error: &ValidationError<'_>, quotes: &mut Quotes<'_>, text: &[u8]) -> Violation {
    let pointer = error.instance_path().to_string();
    let value = quotes.of(&segments(&pointer), text);
    Violation {
        keyword: error.kind().keyword().to_owned(),
        message: cut(error.masked_with(cut(value.clone())).to_string()),
        expected: expected(schema, error),
        pointer,
        value,
    }
}

fn cut(text: String) -> String {
    if text.len() > MAX_TEXT { shortened(&text, MAX_TEXT).into_owned() } else { text }
}

/// Names as they may be quoted: not many and none too long.
fn few(names: &[String]) -> Vec<Cow<'_, str>> {
    let mut left = MAX_TEXT / 2;
    let mut few = Vec::new();
    for name in names {
        let name = shortened(name, MAX_NAME);
        let Some(rest) = left.checked_sub(name.len()) else {
            few.push(CUT.into());
            break;
        };
        left = rest;
        few.push(name);
    }
    few
}

/// What the keyword asks for, as JSON.
fn expected(schema: &Value, error: &ValidationError<'_>) -> String {
    let path = error.schema_path().to_string();
    let expected = match error.kind() {
        ValidationErrorKind::Required { property } => property.clone(),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let patterns =
                path.rsplit_once('/').and_then(|(parent, _)| schema.pointer(parent)?.get("patternProperties"));
            let patterns: Vec<&String> =
                patterns.and_then(Value::as_object).into_iter().flat_map(|all| all.keys()).collect();
            return serde_json::json!({ "unexpected": few(unexpected), "patterns": patterns }).to_string();
        }
        _ => schema.pointer(&path).cloned().unwrap_or_default(),
    };
    let text = expected.to_string();
    if text.len() > MAX_TEXT { "null".to_owned() } else { text }
}

/// All that a configuration schema finds wrong.
pub(crate) fn config_defects(schema: Option<&Value>, config: &Value) -> Vec<LoadError> {
    let defect = |pointer: String, message: String| LoadError::Config { pointer, message };
    let Some(schema) = schema else {
        let empty = config.as_object().is_some_and(serde_json::Map::is_empty);
        let refused = || defect(String::new(), "this plugin takes no configuration".to_owned());
        return if empty { Vec::new() } else { vec![refused()] };
    };
    match validator(schema) {
        Ok(validator) => validator
            .iter_errors(config)
            .map(|error| defect(error.instance_path().to_string(), crate::error::one_line(&error)))
            .collect(),
        Err(reason) => vec![LoadError::Schema { file: "[config]".to_owned(), reason }],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(body: &Value) -> Vec<u8> {
        body.to_string().into_bytes()
    }

    fn set(extra: &str, schemas: &[(&str, Value)]) -> Result<SchemaSet, LoadError> {
        let text = format!(
            "manifest = 1\nid = \"p\"\nversion = \"1.0.0\"\nkind = \"personality\"\ncontract = \"0.1\"\n[api]\n[api.versioning]\n\
             headers = [{{ name = \"V\" }}]\nmin = \"2.1\"\ndefault = \"2.1\"\nmax = \"2.9\"\n[[operation]]\nid = \"a\"\n\
             method = \"POST\"\npaths = [\"/a\"]\naction = \"public\"\nsuccess = [200]\n{extra}"
        );
        let manifest = Manifest::parse(&text).unwrap();
        let texts = schemas.iter().map(|(file, schema)| ((*file).to_owned(), schema.to_string())).collect();
        SchemaSet::compile(&manifest, &texts)
    }

    #[test]
    fn each_version_has_its_schema() {
        let a = json!([{ "maxLength": 2, "x-max": "2.4" }, { "x-min": "2.5" }]);
        let b = json!({ "x-min": "2.5" });
        let schema = json!({ "type": "object", "additionalProperties": false, "properties": { "a": a, "b": b } });
        let set = set("schema = \"s\"", &[("s", schema)]).unwrap();
        let body = json!({ "a": "long", "b": 1 });
        let one = set.of("a").unwrap();
        let found = one.violations(Some(ApiVersion::new(2, 4)), &body, &text(&body));
        let mut keywords: Vec<_> = found.iter().map(|one| (one.pointer.as_str(), one.keyword.as_str())).collect();
        keywords.sort_unstable();
        assert_eq!(keywords, [("", "additionalProperties"), ("/a", "maxLength")]);
        assert!(found.iter().any(|one| one.message.contains("long")));
        assert!(one.violations(Some(ApiVersion::new(2, 5)), &body, &text(&body)).is_empty());
        assert!(set.of("b").is_none());
    }

    #[test]
    fn a_secret_is_quoted_nowhere() {
        let schema = json!({
            "additionalProperties": false, "required": ["x"], "oneOf": [{ "required": ["x"] }],
            "properties": { "ticket": { "maxLength": 2 }, "name": { "type": "string" } },
        });
        let set = set("schema = \"s\"\nsecrets = [\"/ticket\"]", &[("s", schema)]).unwrap();
        let body = json!({ "ticket": "hunter2", "adminpass": "hunter2", "Pass_Word": ["hunter2"], "name": 5 });
        let found = set.of("a").unwrap().violations(None, &body, &text(&body));
        let mut keywords: Vec<_> = found.iter().map(|one| one.keyword.as_str()).collect();
        keywords.sort_unstable();
        assert_eq!(keywords, ["additionalProperties", "maxLength", "oneOf", "required", "type"]);
        assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
        let of = |keyword: &str| found.iter().find(|one| one.keyword == keyword).unwrap();
        assert_eq!(of("type").message, "5 is not of type \"string\"");
        assert_eq!(of("maxLength").message, "\"***\" is longer than 2 characters");
        assert_eq!(of("required").value, r#"{"Pass_Word":"***","adminpass":"***","name":5,"ticket":"***"}"#);
    }

    #[test]
    fn a_violation_says_what_was_expected() {
        let schema = json!({
            "$defs": { "word": { "enum": ["a", "b", "c", "d", "e"] } },
            "properties": { "n": { "type": ["string", "null"] }, "w": { "$ref": "#/$defs/word" }, "l": { "maxLength": 1 },
                            "m": { "additionalProperties": false, "patternProperties": { "^[a-z]$": {} } } },
            "required": ["n", "o"],
        });
        let set = set("schema = \"s\"", &[("s", schema)]).unwrap();
        let body = json!({ "n": 1, "w": "x", "l": "long", "m": { "!": 1 } });
        let found = set.of("a").unwrap().violations(None, &body, &text(&body));
        let expected = |keyword: &str| -> Value {
            serde_json::from_str(&found.iter().find(|one| one.keyword == keyword).unwrap().expected).unwrap()
        };
        assert_eq!(expected("type"), json!(["string", "null"]));
        assert_eq!(expected("enum"), json!(["a", "b", "c", "d", "e"]));
        assert_eq!(expected("maxLength"), json!(1));
        assert_eq!(expected("required"), json!("o"));
        assert_eq!(expected("additionalProperties"), json!({ "unexpected": ["!"], "patterns": ["^[a-z]$"] }));
    }

    #[test]
    fn names_that_are_not_expected_are_few_and_short() {
        let set = set("schema = \"s\"", &[("s", json!({ "properties": { "a": {} }, "additionalProperties": false }))])
            .unwrap();
        let unexpected = |body: Value| -> Vec<String> {
            let found = set.of("a").unwrap().violations(None, &body, &text(&body));
            let expected: Value = serde_json::from_str(&found[0].expected).unwrap();
            serde_json::from_value(expected["unexpected"].clone()).unwrap()
        };
        assert_eq!(unexpected(json!({ "\0".repeat(60_000): 1 })), ["\0".repeat(256) + "..."]);
        let many: serde_json::Map<_, _> = (100..400).map(|number| (number.to_string(), json!(1))).collect();
        let told = unexpected(many.into());
        assert!(told.len() < 200 && told[0] == "100" && told.last().is_some_and(|last| last == "..."), "{told:?}");
    }

    #[test]
    fn schemas_are_whole_or_refused() {
        let schemas = "schema = \"s\"";
        let refused = |schemas_given: &[(&str, Value)]| set(schemas, schemas_given).unwrap_err().to_string();
        assert_eq!(refused(&[]), "schema `s`: is not in the package");
        assert!(refused(&[("s", json!({ "type": "nothing" }))]).starts_with("schema `s`: "));
        let remote = json!({ "$ref": "http://127.0.0.1:1/x.json" });
        assert!(refused(&[("s", remote)]).starts_with("schema `s`: "));
        let inner = json!({ "$ref": "#/$defs/x", "$defs": { "x": { "type": "object" } } });
        assert!(set(schemas, &[("s", inner)]).is_ok());
    }

    #[test]
    fn configuration_is_checked() {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } } });
        assert!(config_defects(Some(&schema), &json!({ "n": 1 })).is_empty());
        let error = config_defects(Some(&schema), &json!({ "n": "x" }))[0].to_string();
        assert!(error.starts_with("config/n: "), "{error}");
        assert!(config_defects(None, &json!({})).is_empty());
        assert_eq!(
            config_defects(None, &json!({ "n": 1 }))[0].to_string(),
            "config: this plugin takes no configuration"
        );
    }
}
