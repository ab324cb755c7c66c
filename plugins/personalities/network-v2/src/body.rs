//! Bodies: `{"<resource>": {..}}`, and for creations also `{"<resource>s": [{..}]}`. Each attribute known, writable and of its type. Upstream converts before it checks: numbers
//! and flags may be written as strings.

use serde_json::{Map, Value, json};
use skyloom_sdk::Request;
use skyloom_sdk::violations::python;

use crate::Fault;
use crate::attributes::{Attribute, Resource, Use};
use crate::unset;

/// The attributes of a request's body.
#[derive(Debug)]
pub struct Given {
    map: Map<String, Value>,
}

/// What a creation asks for.
#[derive(Debug)]
pub struct Creation {
    pub items: Vec<Given>,
    /// Whether they came as a list; the answer is one then, too.
    pub bulk: bool,
}

/// Reads the body of a creation.
pub fn creation<T>(request: &Request, known: &Resource<T>) -> Result<Creation, Fault> {
    let mut body = object(request)?;
    let resource = known.name;
    let collection = format!("{resource}s");
    let Some(items) = body.remove(&collection) else {
        return Ok(Creation { items: vec![given(body, known, true)?], bulk: false });
    };
    let Value::Array(items) = items else {
        return Err(Fault::bad_request(format!("'{collection}' is not a list")));
    };
    if items.is_empty() {
        return Err(Fault::bad_request("Resources required"));
    }
    let item = |item: Value| match item {
        // An item may stand in an object of its own, as the body of a single creation does.
        Value::Object(item) if item.contains_key(resource) => given(item, known, true),
        Value::Object(map) => checked(map, known.attributes, true),
        _ => Err(Fault::bad_request(format!("'{collection}' holds what is not an object"))),
    };
    Ok(Creation { items: items.into_iter().map(item).collect::<Result<_, _>>()?, bulk: true })
}

/// Reads the body of a change.
pub fn change<T>(request: &Request, known: &Resource<T>) -> Result<Given, Fault> {
    given(object(request)?, known, false)
}

fn object(request: &Request) -> Result<Map<String, Value>, Fault> {
    if request.body.is_empty() {
        return Err(Fault::bad_request("Resource body required"));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) if body.is_empty() => Err(Fault::bad_request("Resource body required")),
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(Fault::bad_request("Body contains invalid data")),
    }
}

fn given<T>(mut body: Map<String, Value>, known: &Resource<T>, create: bool) -> Result<Given, Fault> {
    let resource = known.name;
    match body.remove(resource) {
        Some(Value::Object(map)) => checked(map, known.attributes, create),
        _ => Err(Fault::bad_request(format!("Unable to find '{resource}' in request body"))),
    }
}

fn checked(map: Map<String, Value>, known: &[Attribute], create: bool) -> Result<Given, Fault> {
    for (name, value) in &map {
        check(name, value, known, create)?;
    }
    Ok(Given { map })
}

fn check(name: &str, value: &Value, known: &[Attribute], create: bool) -> Result<(), Fault> {
    let Some(attribute) = known.iter().find(|known| known.name == name) else {
        return Err(Fault::unrecognized(name));
    };
    match attribute.usage {
        Use::Query => Err(Fault::unrecognized(name)),
        Use::Write => Ok(()),
        Use::Create if create => Ok(()),
        Use::Read if create => Err(Fault::bad_request(format!("Attribute '{name}' not allowed in POST"))),
        Use::Create | Use::Read => Err(Fault::bad_request(format!("Cannot update read-only attribute {name}"))),
        Use::Unset(form) => match form.refusal(value) {
            Some(reason) => Err(Fault::invalid(name, &reason)),
            None if form.says_nothing(value) => Ok(()),
            None => Err(Fault::invalid(name, "this cloud does not support it")),
        },
    }
}

/// As upstream puts a value into a sentence.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        other => format!("'{}'", python(other)),
    }
}

impl Given {
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(Fault::invalid(name, &format!("{} is not a valid string", shown(other)))),
        }
    }

    /// A name: printable, without blanks at its ends.
    pub fn name(&self) -> Result<Option<String>, Fault> {
        let name = self.text("name")?;
        match &name {
            Some(text) if text.trim() != text || !text.chars().all(is_printable) => {
                Err(Fault::invalid("name", &format!("'{text}' is not a valid string")))
            }
            _ => Ok(name),
        }
    }

    /// `null` is as if nothing were said.
    pub fn text_or_null(&self, name: &str) -> Result<Option<String>, Fault> {
        if self.map.get(name) == Some(&Value::Null) { Ok(None) } else { self.text(name) }
    }

    pub fn required(&self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| {
            Fault::bad_request(format!("Failed to parse request. Required attribute '{name}' not specified"))
        })
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        unset::flag(value)
            .map(Some)
            .ok_or_else(|| Fault::invalid(name, &format!("{} cannot be converted to boolean", shown(value))))
    }

    pub fn integer(&self, name: &str) -> Result<Option<i64>, Fault> {
        let Some(value) = self.map.get(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| Fault::invalid(name, &format!("{} is not an integer", shown(value))))
    }

    /// `null` is as if nothing were said.
    pub fn integer_or_null(&self, name: &str) -> Result<Option<i64>, Fault> {
        if self.map.get(name) == Some(&Value::Null) { Ok(None) } else { self.integer(name) }
    }

    /// Either name; upstream takes both, and both only when they agree.
    pub fn project(&self) -> Result<Option<String>, Fault> {
        match (self.text("project_id")?, self.text("tenant_id")?) {
            (Some(project), Some(tenant)) if project != tenant => {
                Err(Fault::bad_request("'project_id' and 'tenant_id' do not match"))
            }
            (project, tenant) => Ok(project.or(tenant)),
        }
    }

    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let items = match self.map.get(name) {
            None => return Ok(None),
            Some(Value::Null) => return Ok(Some(Vec::new())),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(Fault::invalid(name, &format!("{} is not a list", shown(other)))),
        };
        let text = |item: &Value| {
            item.as_str()
                .map(str::to_owned)
                .ok_or_else(|| Fault::invalid(name, &format!("{} is not a valid string", shown(item))))
        };
        items.iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// A list of objects with string members: all of them, or for `fixed_ips` any. `null` is none, but not for those.
    pub fn objects(&self, name: &str, members: &[&str]) -> Result<Option<Vec<Vec<Option<String>>>>, Fault> {
        let (what, all) = match name {
            "fixed_ips" => ("fixed IP", false),
            "allocation_pools" => ("IP pool", true),
            _ => ("hostroute", true),
        };
        let no_such = |value: &Value| format!("Invalid data format for {what}: {}", shown(value));
        let items = match self.map.get(name) {
            None => return Ok(None),
            Some(Value::Null) if all => return Ok(Some(Vec::new())),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(Fault::invalid(name, &no_such(other))),
        };
        let object = |item: &Value| {
            let keys = python(&json!(members));
            let Value::Object(object) = item else {
                let wrong = format!("Invalid input. {} must be a dictionary with keys: {keys}", shown(item));
                return Err(if all { wrong } else { no_such(item) });
            };
            let given: Vec<&String> = object.keys().collect();
            if given.iter().any(|key| !members.contains(&key.as_str())) || (all && given.len() < members.len()) {
                return Err(format!(
                    "Validation of dictionary's keys failed. Expected keys: {keys} Provided keys: {}",
                    python(&json!(given))
                ));
            }
            members
                .iter()
                .map(|member| match object.get(*member) {
                    None => Ok(None),
                    Some(Value::String(text)) => Ok(Some(text.clone())),
                    Some(other) => Err(no_value(member, other)),
                })
                .collect()
        };
        items.iter().map(object).collect::<Result<_, _>>().map(Some).map_err(|reason| Fault::invalid(name, &reason))
    }
}

fn is_printable(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}')
}

/// What isn't even a string.
fn no_value(member: &str, value: &Value) -> String {
    let wanted = match member {
        "subnet_id" => "UUID",
        "destination" => "CIDR",
        _ => "IP address",
    };
    format!("{} is not a valid {wanted}", shown(value))
}
