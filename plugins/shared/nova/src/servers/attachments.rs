//! Disks that come to a server and leave it.

use serde_json::Value;
use skyloom_sdk::lenient::boolean;
use skyloom_sdk::{Cloud, Error, ErrorCode, respond};

use super::actions::refusal;
use super::parts;
use crate::context::{Answer, Context};
use crate::errors::Fault;

/// The device that is asked for counts for nothing, as with upstream's driver of this platform: the next free one is taken.
pub fn attach<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("volumeAttachment")?;
    let volume = body.get("volumeId").and_then(Value::as_str).unwrap_or_default();
    if body.get("tag").is_some_and(|tag| !tag.is_null()) {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute tag. Disks of running servers have no tags here.",
        ));
    }
    let goes = body.get("delete_on_termination").and_then(boolean).unwrap_or(false);
    let options = [("volume-id".to_owned(), volume.to_owned()), ("delete-on-termination".to_owned(), goes.to_string())];
    act(context, volume, "attach-volume", &options, "attach_volume")?;
    parts::attachment(context, volume)
}

pub fn detach<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let volume = context.param("volume_id");
    let options = [("volume-id".to_owned(), volume.to_owned())];
    act(context, volume, "detach-volume", &options, "detach_volume")?;
    Ok(respond::empty(202))
}

fn act<C: Cloud>(
    context: &Context<'_, C>,
    volume: &str,
    verb: &str,
    options: &[(String, String)],
    word: &str,
) -> Result<(), Fault> {
    let id = context.param("server_id");
    let acted = context.cloud.act_on_servers(&[id.to_owned()], verb, options, false, true);
    acted.map(drop).map_err(|error| refused(context, id, volume, word, error))
}

/// In Nova's words.
fn refused<C: Cloud>(context: &Context<'_, C>, id: &str, volume: &str, word: &str, error: Error) -> Fault {
    let of_volume = error.resource.as_ref().is_some_and(|(kind, _)| kind == "volume");
    match (&error.code, error.reason.as_deref()) {
        (ErrorCode::NotFound, _) if of_volume && word == "detach_volume" => {
            Fault::not_found(format!("Instance {id} is not attached to volume {volume}"))
        }
        (ErrorCode::NotFound, _) if of_volume => Fault::not_found(format!("Volume {volume} could not be found.")),
        (ErrorCode::WrongState, Some("system-disk")) => Fault::bad_request("Cannot detach a root device volume"),
        (ErrorCode::WrongState | ErrorCode::Busy, _) if of_volume => {
            Fault::bad_request(format!("Invalid volume: {}", error.message))
        }
        _ => refusal(context, id, word, error),
    }
}
