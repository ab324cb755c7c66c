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

/// The vendor counts a Chinese character as two.
fn columns<C>(context: &Context<'_, C>, name: &str) -> usize {
    if context.rules().plain_names {
        name.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum()
    } else {
        name.chars().count()
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || matches!(letter, '_' | '-' | '.' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
}

/// The names of `count` new servers.
pub fn of_new_servers<C: Cloud>(context: &Context<'_, C>, name: &str, count: u32) -> Result<Vec<String>, Fault> {
    let rules = context.rules();
    let name = checked(context, name, if count > 1 { rules.create_names } else { rules.create_name })?;
    if rules.plain_names && !name.chars().all(is_plain) {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute name. It may hold letters, digits, '_', '-', '.' and Chinese characters only",
        ));
    }
    if count == 1 {
        return Ok(vec![name]);
    }
    if !rules.plain_names {
        return Ok((1..=count).map(|number| format!("{name}-{number}")).collect());
    }
    // The vendor counts on from a suffix that the caller gave, else from -0000.
    let (stem, first) = match name.rsplit_once('-') {
        Some((stem, digits))
            if !stem.is_empty() && digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (stem, digits.parse().unwrap_or(0))
        }
        _ => (name.as_str(), 0_u32),
    };
    Ok((first..first + count).map(|number| format!("{stem}-{number:04}")).collect())
}

/// At most `longest` characters; the vendor's shorter ones hold no `<` or `>`.
pub fn check_description(description: Option<&str>, longest: usize) -> Result<(), Fault> {
    let Some(description) = description else { return Ok(()) };
    let refuse = |why: &str| Err(Fault::bad_request(format!("Invalid input for field/attribute description. {why}")));
    if description.chars().count() > longest {
        return refuse("It is too long");
    }
    if longest < 255 && description.contains(['<', '>']) {
        return refuse("It holds '<' or '>'");
    }
    Ok(())
}
