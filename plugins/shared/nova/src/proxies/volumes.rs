//! Volumes.

use serde_json::{Map, Value};
use skyloom_sdk::cloud::volumes::{Volume, VolumeCreate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::count;
use skyloom_sdk::{Cloud, Error, ErrorCode, Response, key, respond, time};

use super::{Rows, each, text};
use crate::context::{Answer, Context};
use crate::errors::Fault;

/// Both lists show the same.
pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let fetch = |page| {
        let found = context.cloud.list_volumes(&[], &page)?;
        Ok((found.volumes, found.next))
    };
    super::list(Rows::asked(context), key!("volumes"), fetch, each(write))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("volume_id");
    Ok(one(&context.cloud.get_volume(id).map_err(|error| refused(id, error))?))
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("volume")?;
    let given = |name: &str| text(&body, name).filter(|text| !text.is_empty());
    let snapshot = given("snapshot_id");
    let size = match body.get("size") {
        None | Some(Value::Null) if snapshot.is_some() => None,
        None | Some(Value::Null) => return Err(Fault::bad_request("'size' is a required property")),
        Some(size) => Some(count(size).ok_or_else(|| Fault::invalid_type("size", "integer"))?),
    };
    let zone = given("availability_zone");
    if zone.is_none() && context.rules.volumes_name_their_zone {
        return Err(Fault::bad_request("'availability_zone' is a required property"));
    }
    let create = VolumeCreate {
        name: text(&body, "display_name").unwrap_or_default(),
        description: text(&body, "display_description").unwrap_or_default(),
        size_gib: size,
        source: if snapshot.is_some() { "snapshot" } else { "empty" }.to_owned(),
        source_id: snapshot,
        volume_type: given("volume_type"),
        zone,
        metadata: metadata(&body),
        attributes: "{}".to_owned(),
    };
    let volume = context.cloud.create_volume(&create).map_err(|error| match (&error.code, &error.resource) {
        (ErrorCode::NotFound, Some((kind, id))) if kind == "snapshot" => super::snapshots::missing(id),
        _ => refused("", error),
    })?;
    Ok(one(&volume))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("volume_id");
    context.cloud.delete_volume(id).map_err(|error| refused(id, error))?;
    Ok(respond::empty(202))
}

fn metadata(body: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(Value::Object(items)) = body.get("metadata") else { return Vec::new() };
    items.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// In Nova's words; what cinder refuses by the volume's state is 400 here, as upstream has it.
pub(super) fn refused(id: &str, error: Error) -> Fault {
    match error.code {
        ErrorCode::NotFound if !id.is_empty() => Fault::not_found(format!("Volume {id} could not be found.")),
        ErrorCode::InUse | ErrorCode::WrongState | ErrorCode::Busy => {
            Fault::bad_request(format!("Invalid input received: {}", error.message))
        }
        _ => error.into(),
    }
}

/// The word of a volume's state.
pub(super) fn status(state: &str) -> &str {
    if state == "growing" { "extending" } else { state }
}

fn one(volume: &Volume) -> Response {
    super::one(key!("volume"), |writer| write(writer, volume))
}

fn write(writer: &mut Writer, volume: &Volume) {
    writer.begin_object().key(key!("id")).string(&volume.id);
    writer.key(key!("status")).string(status(&volume.state));
    writer.key(key!("size")).unsigned(volume.size_gib.into());
    writer.key(key!("availabilityZone")).string(&volume.zone);
    writer.key(key!("createdAt")).plain(|out| time::write_micros(out, volume.created_at));
    // Attached to none, it has an empty one.
    writer.key(key!("attachments")).begin_array().begin_object();
    if let Some(server) = &volume.server_id {
        writer.key(key!("id")).string(&volume.id).key(key!("volumeId")).string(&volume.id);
        writer.key(key!("serverId")).string(server).key(key!("device")).string(&volume.device);
    }
    writer.end_object().end_array();
    writer.key(key!("displayName")).string(&volume.name);
    writer.key(key!("displayDescription")).string(&volume.description);
    writer.key(key!("volumeType")).string(&volume.volume_type);
    writer.key(key!("snapshotId")).optional_string(volume.snapshot_id.as_deref());
    writer.key(key!("metadata")).string_map(&volume.metadata).end_object();
}
