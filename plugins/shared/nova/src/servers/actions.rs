//! What is done to a server: power, sizes, console.

use serde_json::Value;
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::integer;
use skyloom_sdk::{Cloud, Error, ErrorCode, key, respond};

use crate::context::{Answer, Context};
use crate::errors::{Fault, of_server};
use crate::status::{task_word, vm_word};

/// What takes no options and is called the same there and here: `start`, `pause`, `restore` out of the recycle bin.
pub fn plain<C: Cloud>(context: &Context<'_, C>, verb: &str) -> Answer {
    act(context, verb, &[], verb)
}

/// From 2.73 on with a reason; before, whatever stands there is overlooked.
pub fn lock<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body()?;
    let lock = body.get("lock").filter(|_| context.since(73));
    let reason = match lock.and_then(|lock| lock.get("locked_reason")) {
        None => None,
        Some(Value::String(reason)) => Some(("reason", reason.clone())),
        Some(_) => return Err(Fault::invalid_type("locked_reason", "string")),
    };
    act(context, "lock", reason.as_slice(), "lock")
}

/// The vendor's stop may say how; upstream's overlooks what stands there.
pub fn stop<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body()?;
    let hard = match body.get("os-stop").and_then(|stop| stop.get("type")) {
        Some(kind) if context.rules.typed_stop => is_hard(kind)?,
        _ => false,
    };
    act(context, "stop", &[("hard", hard.to_string())], "stop")
}

pub fn reboot<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("reboot")?;
    let Some(kind) = body.get("type") else {
        return Err(Fault::bad_request("Invalid input for field/attribute reboot. 'type' is a required property"));
    };
    act(context, "reboot", &[("hard", is_hard(kind)?.to_string())], "reboot")
}

fn is_hard(kind: &Value) -> Result<bool, Fault> {
    match kind.as_str().map(str::to_ascii_uppercase).as_deref() {
        Some("HARD") => Ok(true),
        Some("SOFT") => Ok(false),
        _ => Err(Fault::bad_request("Invalid input for field/attribute type. It is not one of 'SOFT', 'HARD'")),
    }
}

/// Asks the core for it; `word` is Nova's.
pub(super) fn act<C: Cloud>(context: &Context<'_, C>, verb: &str, options: &[(&str, String)], word: &str) -> Answer {
    let id = context.param("server_id");
    let options: Vec<_> = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    context
        .cloud
        .act_on_servers(&[id.to_owned()], verb, &options, false, true)
        .map_err(|error| refusal(context, id, word, error))?;
    Ok(respond::empty(202))
}

/// A refused action in Nova's words: with the state that is in its way.
pub(super) fn refusal<C: Cloud>(context: &Context<'_, C>, id: &str, action: &str, error: Error) -> Fault {
    let server = match error.code {
        // Another reason than the server's own state says itself.
        ErrorCode::WrongState | ErrorCode::Busy if error.reason.is_none() => context.cloud.get_server(id, &[]).ok(),
        _ => None,
    };
    let Some(server) = server else { return of_server(id)(error) };
    let state = match (&error.code, server.task_state) {
        (ErrorCode::Busy, Some(task)) => format!("task_state {}", task_word(task)),
        _ => format!("vm_state {}", vm_word(server.vm_state)),
    };
    Fault::new(409, format!("Cannot '{action}' instance {id} while it is in {state}"))
}

pub fn console_output<C: Cloud>(context: &Context<'_, C>) -> Answer {
    if context.rules.console_minor.is_some_and(|last| context.minor > last) {
        return Err(Fault::not_found("The resource could not be found."));
    }
    let body = context.body_member("os-getConsoleOutput")?;
    let lines = match body.get("length") {
        None | Some(Value::Null) => None,
        Some(length) => match integer(length) {
            Some(-1) => None,
            Some(lines @ 0..) => Some(u32::try_from(lines).unwrap_or(u32::MAX)),
            _ => {
                return Err(Fault::bad_request(
                    "Invalid input for field/attribute length. It is not a number of -1 or more",
                ));
            }
        },
    };
    let id = context.param("server_id");
    let output = if lines == Some(0) {
        super::fetch(context, &[])?;
        String::new()
    } else {
        context.cloud.console_output(id, lines).map_err(|error| match error.code {
            ErrorCode::WrongState => Fault::new(409, format!("Instance {id} is not ready")),
            ErrorCode::NotSupported => Fault::not_found("Unable to get console log, functionality not implemented"),
            _ => of_server(id)(error),
        })?
    };
    let mut writer = Writer::with_capacity(output.len() + output.len() / 16 + 64);
    writer.begin_object().key(key!("output")).string(&printable(output)).end_object();
    Ok(respond::json(200, writer.finish()))
}

/// Control characters other than tab and line feed are left out, as Nova does.
fn printable(output: String) -> String {
    let odd = |letter: char| letter < ' ' && letter != '\t' && letter != '\n';
    if output.contains(odd) { output.replace(odd, "") } else { output }
}
