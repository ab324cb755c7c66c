//! Bodies. The host has looked at them with the operation's schema already; here nothing is taken for granted all the same.

use serde_json::{Map, Value};
use skyloom_sdk::Request;
use skyloom_sdk::json::{FieldError, Fields, Problem, parse_object};

use crate::Fault;

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        let field = error.pointer.trim_start_matches('/');
        let field = field.split_once('/').map_or(field, |(_, rest)| rest);
        match error.problem {
            Problem::Malformed => Self::bad_request("The request body is not valid JSON."),
            Problem::Missing => Self::bad_request(format!("'{field}' is a required property")),
            Problem::WrongType(expected) if field.is_empty() => {
                Self::bad_request(format!("The request body is not of type '{expected}'"))
            }
            Problem::WrongType(expected) => {
                Self::bad_request(format!("Invalid input for field '{field}': is not of type '{expected}'"))
            }
        }
    }
}

/// A body's one member of interest.
pub struct Body {
    map: Map<String, Value>,
    path: [&'static str; 1],
}

impl Body {
    /// `{"<key>": {...}}`.
    pub fn read(request: &Request, key: &'static str) -> Result<Self, Fault> {
        match parse_object(&request.body)?.remove(key) {
            Some(Value::Object(map)) => Ok(Self { map, path: [key] }),
            Some(_) => Err(Fault::bad_request(format!("Invalid input for field '{key}': is not of type 'object'"))),
            None => Err(Fault::missing(key, "request body")),
        }
    }

    /// A body of a creation: upstream takes a colon and a hyphen in a member's name for an underscore there.
    pub fn read_new(request: &Request, key: &'static str) -> Result<Self, Fault> {
        let Self { map, path } = Self::read(request, key)?;
        Ok(Self { map: map.into_iter().map(|(name, value)| (name.replace([':', '-'], "_"), value)).collect(), path })
    }

    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.map, &self.path)
    }

    pub fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        Ok(self.fields().optional_str(name)?.map(str::to_owned))
    }

    /// `null` clears, where absence leaves.
    pub fn clearable(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.map.get(name) {
            Some(Value::Null) => Ok(Some(String::new())),
            _ => self.text(name),
        }
    }

    /// `null` is a value as others are.
    #[allow(clippy::option_option)]
    pub fn nullable(&self, name: &str) -> Result<Option<Option<String>>, Fault> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(_) => Ok(Some(self.text(name)?)),
        }
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        Ok(self.fields().optional_bool(name)?)
    }

    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let Some(items) = self.fields().optional_array(name)? else { return Ok(None) };
        items.iter().map(text_of).collect::<Result<_, _>>().map(Some)
    }

    /// Without blanks at its ends.
    pub fn name(&self) -> Result<Option<String>, Fault> {
        Ok(self.fields().optional_str("name")?.map(|name| name.trim().to_owned()))
    }

    /// An id in an update is that of the path, or none.
    pub fn same_id(&self, id: &str) -> Result<(), Fault> {
        match self.map.get("id") {
            None | Some(Value::Null) => Ok(()),
            Some(Value::String(own)) if own == id => Ok(()),
            Some(_) => Err(Fault::bad_request("Cannot change ID")),
        }
    }

    /// Options of a resource, of which upstream knows these. None is obeyed here, so none may be set: a resource that showed one
    /// would tell an untruth about its safety. What asks for nothing is taken.
    pub fn no_options(&self, known: &[&str]) -> Result<(), Fault> {
        let Some(options) = self.fields().optional_object("options")? else { return Ok(()) };
        for (name, value) in options {
            match value {
                _ if !known.contains(&name.as_str()) => {
                    let message = format!("Additional properties are not allowed ('{name}' was unexpected)");
                    return Err(Fault::bad_request(format!("Invalid input for field 'options': {message}")));
                }
                Value::Null | Value::Bool(false) => {}
                Value::Array(items) if items.is_empty() => {}
                _ => return Err(Fault::no_option(name)),
            }
        }
        Ok(())
    }

    /// What is in none of these lists: attributes that are kept as they are.
    pub fn extra(&self, known: &[&[&str]]) -> Option<String> {
        let is_known = |name: &str| known.iter().any(|names| names.contains(&name)) || OWN.contains(&name);
        let extra: Map<_, _> = self
            .map
            .iter()
            .filter(|(name, _)| !is_known(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (!extra.is_empty()).then(|| Value::Object(extra).to_string())
    }
}

/// The one option of domains, projects and roles.
pub const IMMUTABLE: &[&str] = &["immutable"];

/// Members that no resource takes from a body: the server makes them.
const OWN: &[&str] = &["id", "links", "options", "extra"];

fn text_of(value: &Value) -> Result<String, Fault> {
    value.as_str().map(str::to_owned).ok_or_else(|| Fault::bad_request("A list holds something else than strings."))
}

/// `{"<key>": ["...", ...]}`.
pub fn texts(request: &Request, key: &'static str) -> Result<Vec<String>, Fault> {
    match parse_object(&request.body)?.get(key) {
        Some(Value::Array(items)) => items.iter().map(text_of).collect(),
        _ => Err(Fault::missing(key, "request body")),
    }
}
