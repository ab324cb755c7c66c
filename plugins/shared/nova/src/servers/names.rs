//! Names and descriptions of servers.

use skyloom_sdk::Cloud;

use crate::context::Context;
use crate::errors::Fault;
use crate::violations::{of_field, python};

/// What Nova says of a name that has other letters than printable ones, or blanks at its ends.
pub const INVALID: &str = "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end \
                           with whitespace.";
/// Of the schemas: such a name doesn't match.
pub const PATTERN: &str = r"^$|^\S(.*\S)?$";

/// A name without blanks at its ends (`/v2` cuts them), at most `longest` columns long.
pub fn checked<C>(context: &Context<'_, C>, name: &str, longest: usize) -> Result<String, Fault> {
    let name = if context.legacy { name.trim() } else { name };
    check_printable(name)?;
    if (context.rules.names.columns)(name) > longest {
        let value = serde_json::Value::String(name.to_owned());
        return Err(Fault::bad_request(of_field("name", &value, &format!("{} is too long", python(&value)))));
    }
    Ok(name.to_owned())
}

/// What Nova asks of every name; an empty one is none either.
pub fn check_printable(name: &str) -> Result<(), Fault> {
    if name.is_empty() || name.trim() != name || name.chars().any(char::is_control) {
        return Err(Fault::bad_request(INVALID));
    }
    Ok(())
}

/// The names of `count` new servers.
pub fn of_new_servers<C: Cloud>(context: &Context<'_, C>, name: &str, count: u32) -> Result<Vec<String>, Fault> {
    let rules = &context.rules.names;
    let name = checked(context, name, if count > 1 { rules.longest_of_many } else { rules.longest })?;
    if let Some(wrong) = (rules.check)(&name) {
        return Err(Fault::bad_request(format!("Invalid input for field/attribute name. {wrong}")));
    }
    Ok((rules.numbered)(&name, count))
}

/// At most `longest` characters, none of these.
pub fn check_description(description: Option<&str>, longest: usize, without: &[char]) -> Result<(), Fault> {
    let Some(description) = description else { return Ok(()) };
    if description.chars().count() > longest {
        let value = serde_json::Value::from(description);
        let says = format!("{} is too long", python(&value));
        return Err(Fault::bad_request(of_field("description", &value, &says)));
    }
    if description.contains(without) {
        let letters: Vec<String> = without.iter().map(|letter| format!("'{letter}'")).collect();
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute description. It holds {}",
            letters.join(" or ")
        )));
    }
    Ok(())
}
