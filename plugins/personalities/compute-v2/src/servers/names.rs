//! Names and descriptions of servers.

use skyloom_sdk::Cloud;

use crate::context::Context;
use crate::errors::Fault;
use crate::violations::python;

/// A name without blanks at its ends (`/v2` cuts them), at most `longest` columns long.
pub fn checked<C>(context: &Context<'_, C>, name: &str, longest: usize) -> Result<String, Fault> {
    let name = if context.legacy { name.trim() } else { name };
    let refuse = |why: &str| {
        let value = python(&serde_json::Value::String(name.to_owned()));
        Err(Fault::bad_request(format!("Invalid input for field/attribute name. Value: {value}. {value} {why}")))
    };
    if name.is_empty() {
        return refuse("is too short");
    }
    if columns(context, name) > longest {
        return refuse("is too long");
    }
    if name.trim() != name || name.chars().any(char::is_control) {
        return refuse("does not hold printable characters only, or starts or ends with whitespace");
    }
    Ok(name.to_owned())
}

fn columns<C>(context: &Context<'_, C>, name: &str) -> usize {
    if context.rules().plain_names { ecs_rules::columns(name) } else { name.chars().count() }
}

/// The names of `count` new servers.
pub fn of_new_servers<C: Cloud>(context: &Context<'_, C>, name: &str, count: u32) -> Result<Vec<String>, Fault> {
    let rules = context.rules();
    let name = checked(context, name, if count > 1 { rules.create_names } else { rules.create_name })?;
    if rules.plain_names && !ecs_rules::is_plain(&name) {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute name. It may hold letters, digits, '_', '-', '.' and Chinese characters only",
        ));
    }
    if rules.plain_names {
        return Ok(ecs_rules::numbered(&name, count));
    }
    if count == 1 {
        return Ok(vec![name]);
    }
    Ok((1..=count).map(|number| format!("{name}-{number}")).collect())
}

/// At most `longest` characters; the vendor's shorter ones hold no `<` or `>`.
pub fn check_description(description: Option<&str>, longest: usize) -> Result<(), Fault> {
    let Some(description) = description else { return Ok(()) };
    let refuse = |why: &str| Err(Fault::bad_request(format!("Invalid input for field/attribute description. {why}")));
    if description.chars().count() > longest {
        return refuse("It is too long");
    }
    if longest == ecs_rules::DESCRIPTION && !ecs_rules::is_description(description) {
        return refuse("It holds '<' or '>'");
    }
    Ok(())
}
