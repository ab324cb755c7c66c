//! JSON schemas of a plugin: of request bodies and of its configuration. Compiled once, at load; nothing is fetched.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::bindings::personality::exports::skyloom::personality::handler::Violation;
use crate::error::LoadError;
use crate::manifest::{ApiVersion, Manifest, Operation};

/// Most violations that one body is told of.
const MAX_VIOLATIONS: usize = 32;
/// Longest text of one.
const MAX_MESSAGE: usize = 1024;

/// The compiled schemas of all operations.
#[derive(Debug, Default)]
pub struct SchemaSet {
    operations: BTreeMap<String, Arc<BodySchemas>>,
}

/// The compiled schemas of one operation.
#[derive(Debug)]
pub struct BodySchemas {
    ranges: Vec<Range>,
    /// A message must not carry a secret out of the body.
    masked: bool,
}

#[derive(Debug)]
struct Range {
    min: Option<ApiVersion>,
    max: Option<ApiVersion>,
    validator: Arc<Validator>,
}

impl SchemaSet {
    pub fn compile(manifest: &Manifest, texts: &BTreeMap<String, String>) -> Result<Self, LoadError> {
        let mut compiled: BTreeMap<&str, Arc<Validator>> = BTreeMap::new();
        let mut operations = BTreeMap::new();
        for operation in manifest.operations.iter().filter(|operation| !operation.schemas.is_empty()) {
            let mut ranges = Vec::new();
            for schema in &operation.schemas {
                let known = compiled.get(schema.file.as_str()).cloned();
                let validator = match known {
                    Some(validator) => validator,
                    None => Arc::new(from_text(&schema.file, texts.get(&schema.file))?),
                };
                compiled.insert(&schema.file, validator.clone());
                ranges.push(Range { min: schema.min, max: schema.max, validator });
            }
            operations.insert(operation.id.clone(), Arc::new(BodySchemas { ranges, masked: hides(operation) }));
        }
        Ok(Self { operations })
    }

    /// None: the operation has no schema.
    pub fn of(&self, operation: &str) -> Option<Arc<BodySchemas>> {
        self.operations.get(operation).cloned()
    }
}

fn hides(operation: &Operation) -> bool {
    !operation.secrets.is_empty()
}

fn from_text(file: &str, text: Option<&String>) -> Result<Validator, LoadError> {
    let refuse = |reason: String| LoadError::Schema { file: file.to_owned(), reason };
    let text = text.ok_or_else(|| refuse("is not in the package".to_owned()))?;
    let schema = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    validator(&schema).map_err(refuse)
}

/// Formats count; references reach into the schema itself only.
pub(crate) fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| crate::package::one_line(&error))
}

impl BodySchemas {
    /// What the schema of this version finds wrong with the body; without a schema for it, nothing. Give the body as the
    /// client sent it: where the operation has secret fields, messages name no values.
    pub fn violations(&self, version: Option<ApiVersion>, body: &Value) -> Vec<Violation> {
        let holds = |range: &&Range| {
            version.is_none_or(|version| {
                range.min.is_none_or(|min| version >= min) && range.max.is_none_or(|max| version <= max)
            })
        };
        let Some(range) = self.ranges.iter().find(holds) else { return Vec::new() };
        if range.validator.is_valid(body) {
            return Vec::new();
        }
        range.validator.iter_errors(body).take(MAX_VIOLATIONS).map(|error| self.violation(&error)).collect()
    }

    fn violation(&self, error: &ValidationError<'_>) -> Violation {
        let mut message = if self.masked { error.masked().to_string() } else { error.to_string() };
        if message.len() > MAX_MESSAGE {
            message.truncate(message.floor_char_boundary(MAX_MESSAGE));
            message.push_str("...");
        }
        Violation { pointer: error.instance_path().to_string(), keyword: error.kind().keyword().to_owned(), message }
    }
}

/// The first thing that a configuration schema finds wrong.
pub(crate) fn check_config(schema: Option<&Value>, config: &Value) -> Result<(), LoadError> {
    let Some(schema) = schema else {
        let empty = config.as_object().is_some_and(serde_json::Map::is_empty);
        return if empty {
            Ok(())
        } else {
            Err(LoadError::Config { pointer: String::new(), message: "this plugin takes no configuration".to_owned() })
        };
    };
    let validator = validator(schema).map_err(|reason| LoadError::Schema { file: "[config]".to_owned(), reason })?;
    validator.validate(config).map_err(|error| LoadError::Config {
        pointer: error.instance_path().to_string(),
        message: crate::package::one_line(&error),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let strict =
            json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "maxLength": 2 } } });
        let loose = json!({ "type": "object" });
        let schemas = "schemas = [{ file = \"s\", max = \"2.4\" }, { file = \"l\", min = \"2.5\" }]";
        let set = set(schemas, &[("s", strict), ("l", loose)]).unwrap();
        let body = json!({ "a": "long", "b": 1 });
        let one = set.of("a").unwrap();
        let found = one.violations(Some(ApiVersion::new(2, 4)), &body);
        let mut keywords: Vec<_> = found.iter().map(|one| (one.pointer.as_str(), one.keyword.as_str())).collect();
        keywords.sort_unstable();
        assert_eq!(keywords, [("", "additionalProperties"), ("/a", "maxLength")]);
        assert!(found.iter().any(|one| one.message.contains("long")));
        assert!(one.violations(Some(ApiVersion::new(2, 5)), &body).is_empty());
        assert!(set.of("b").is_none());
    }

    #[test]
    fn a_secret_stays_out_of_the_message() {
        let schema = json!({ "properties": { "password": { "maxLength": 2 } }, "oneOf": [{ "required": ["x"] }] });
        let set = set("schemas = [{ file = \"s\" }]\nsecrets = [\"/password\"]", &[("s", schema)]).unwrap();
        let found = set.of("a").unwrap().violations(None, &json!({ "password": "hunter2" }));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|one| !one.message.contains("hunter2")), "{found:?}");
    }

    #[test]
    fn schemas_are_whole_or_refused() {
        let schemas = "schemas = [{ file = \"s\" }]";
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
        assert!(check_config(Some(&schema), &json!({ "n": 1 })).is_ok());
        let error = check_config(Some(&schema), &json!({ "n": "x" })).unwrap_err().to_string();
        assert!(error.starts_with("config/n: "), "{error}");
        assert!(check_config(None, &json!({})).is_ok());
        assert_eq!(
            check_config(None, &json!({ "n": 1 })).unwrap_err().to_string(),
            "config: this plugin takes no configuration"
        );
    }
}
