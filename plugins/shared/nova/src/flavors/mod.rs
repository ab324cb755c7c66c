//! Flavors: sizes of servers.

pub mod access;
pub mod extra_specs;
pub mod list;

use serde_json::{Map, Value};
use skyloom_sdk::cloud::flavors::{Flavor, FlavorCreate, FlavorUpdate};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::lenient::{boolean, integer};
use skyloom_sdk::{Cloud, Error, ErrorCode, Response, key, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::names;
use crate::unsupported::refuse;
use crate::views::flavor::write;
use crate::violations::{of_field, python};

pub(crate) fn refusal(id: &str) -> impl Fn(Error) -> Fault {
    move |error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::NotFound, None) => Fault::not_found(format!("Flavor {id} could not be found.")),
        _ => error.into(),
    }
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    Ok(answer(context, &context.cloud.get_flavor(id).map_err(refusal(id))?))
}

fn answer<C>(context: &Context<'_, C>, flavor: &Flavor) -> Response {
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("flavor"));
    write(&mut writer, flavor, &context.links, context.minor);
    writer.end_object();
    respond::json(200, writer.finish())
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("flavor")?;
    let create = read(context, &body)?;
    let flavor = context.cloud.create_flavor(&create)?;
    Ok(answer(context, &flavor))
}

fn read<C>(context: &Context<'_, C>, body: &Map<String, Value>) -> Result<FlavorCreate, Fault> {
    let fields = Fields::new(body, &["flavor"]);
    let number = |name: &str, least: u32, default: Option<u32>| match fields.value(name) {
        None | Some(Value::Null) => default.ok_or_else(|| {
            Fault::bad_request(format!("Invalid input for field/attribute flavor. '{name}' is a required property"))
        }),
        Some(Value::String(text)) if text.is_empty() && default.is_some() => Ok(default.unwrap_or_default()),
        Some(value) => size(name, value, least),
    };
    let name = fields.str("name")?;
    let name = if context.legacy { name.trim() } else { name };
    names::check_printable(name)?;
    if name.chars().count() > 255 {
        return Err(Fault::bad_request(names::INVALID));
    }
    if fields.has("description") && !context.since(55) && !context.legacy {
        return Err(Fault::bad_request("Additional properties are not allowed ('description' was unexpected)"));
    }
    Ok(FlavorCreate {
        id: flavor_id(fields.value("id").or(fields.value("flavorid")))?,
        name: name.to_owned(),
        description: if context.since(55) { fields.optional_str("description")?.map(str::to_owned) } else { None },
        vcpus: number("vcpus", 1, None)?,
        memory_mib: number("ram", 1, None)?,
        disk_gib: number("disk", 0, None)?,
        ephemeral_gib: number("OS-FLV-EXT-DATA:ephemeral", 0, Some(0))?,
        swap_mib: number("swap", 0, Some(0))?,
        rxtx_factor_milli: factor(fields.value("rxtx_factor"))?,
        is_public: match fields.value("os-flavor-access:is_public") {
            None | Some(Value::Null) => true,
            Some(value) => {
                boolean(value).ok_or_else(|| Fault::invalid_type("os-flavor-access:is_public", "boolean"))?
            }
        },
        attributes: "{}".to_owned(),
    })
}

/// Upstream compares a number that is written as a text, too.
fn size(name: &str, value: &Value, least: u32) -> Result<u32, Fault> {
    const MOST: i64 = i32::MAX as i64;
    let refuse = |says: String| Err(Fault::bad_request(of_field(name, value, &says)));
    match integer(value) {
        None if value.as_str() == Some("") => refuse("'' should be non-empty".to_owned()),
        // More digits than any number here has.
        None if value.as_str().is_some_and(|text| text.bytes().all(|digit| digit.is_ascii_digit()))
            || value.is_u64() =>
        {
            refuse(format!("{} is greater than the maximum of {MOST}", value.to_string().trim_matches('"')))
        }
        None => refuse(format!("{} does not match '^[0-9]*$'", python(value))),
        Some(number) if number < i64::from(least) => refuse(format!("{number} is less than the minimum of {least}")),
        Some(number) => match u32::try_from(number) {
            Ok(fits) if number <= MOST => Ok(fits),
            _ => refuse(format!("{number} is greater than the maximum of {MOST}")),
        },
    }
}

/// None and `auto`: the core makes one.
fn flavor_id(value: Option<&Value>) -> Result<Option<String>, Fault> {
    let id = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text == "auto" => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(Fault::invalid_type("id", "string")),
    };
    let inner = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '_' | '-' | ' ');
    if id.is_empty() || id.chars().count() > 255 || id.trim() != id || !id.chars().all(inner) {
        let (value, shown) = (Value::from(id.as_str()), python(&Value::from(id.as_str())));
        let says = match id.chars().count() {
            0 => format!("{shown} should be non-empty"),
            1..=255 => format!("{shown} does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'"),
            _ => format!("{shown} is too long"),
        };
        return Err(Fault::bad_request(of_field("id", &value, &says)));
    }
    Ok(Some(id))
}

/// More fits no field of the core.
const MOST_FACTOR: f64 = 1_000_000.0;

fn factor(value: Option<&Value>) -> Result<u32, Fault> {
    let number = match value {
        None | Some(Value::Null) => return Ok(1000),
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_f64(),
    };
    let refuse_it = |says: &str| {
        let value = value.unwrap_or(&Value::Null);
        Err(Fault::bad_request(of_field("rxtx_factor", value, &format!("{} {says}", python(value)))))
    };
    let Some(number) = number.filter(|number: &f64| *number > 0.0) else {
        return refuse_it("is less than or equal to the minimum of 0");
    };
    if number > MOST_FACTOR {
        return refuse_it("is greater than the maximum of 1000000");
    }
    let milli = (number * 1000.0).round();
    if (milli / 1000.0 - number).abs() > 1e-9 || milli < 1.0 {
        return Err(refuse("flavors.create", "rxtx_factor"));
    }
    Ok(milli as u32)
}

pub fn update<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    let body = context.body_member("flavor")?;
    let fields = Fields::new(&body, &["flavor"]);
    if !fields.has("description") || body.len() > 1 {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute flavor. It holds 'description' and nothing else",
        ));
    }
    let description = fields.optional_str("description")?;
    if description.is_some_and(|text| text.len() > 65_535) {
        return Err(Fault::bad_request("Invalid input for field/attribute description. It is too long"));
    }
    let update = FlavorUpdate { description: Some(description.map(ToOwned::to_owned)), attributes: None };
    Ok(answer(context, &context.cloud.update_flavor(id, &update).map_err(refusal(id))?))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    context.cloud.delete_flavor(id).map_err(refusal(id))?;
    Ok(respond::empty(202))
}
