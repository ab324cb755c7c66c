//! Snapshots of volumes.

use skyloom_sdk::cloud::volumes::{Snapshot, SnapshotCreate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean;
use skyloom_sdk::{Cloud, ErrorCode, Response, key, respond, time};

use super::{Rows, each, text, volumes};
use crate::context::{Answer, Context};
use crate::errors::Fault;

/// Both lists show the same.
pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let fetch = |page| {
        let found = context.cloud.list_snapshots(&[], &page)?;
        Ok((found.snapshots, found.next))
    };
    super::list(Rows::asked(context), key!("snapshots"), fetch, each(write))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("snapshot_id");
    let snapshot = context.cloud.get_snapshot(id).map_err(|error| match error.code {
        ErrorCode::NotFound => missing(id),
        _ => error.into(),
    })?;
    Ok(one(&snapshot))
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("snapshot")?;
    let volume_id = text(&body, "volume_id").unwrap_or_default();
    let name = text(&body, "display_name").unwrap_or_default();
    if let Some(reserved) = context.rules.reserved_snapshots.filter(|reserved| name.starts_with(*reserved)) {
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute display_name. Value: {name}. Names that begin with {reserved} are reserved."
        )));
    }
    // It asks for a copy of what a server writes to; that is refused by the volume's state, as it is where nobody asks for it.
    if let Some(force) = body.get("force").filter(|force| !force.is_null() && boolean(force).is_none()) {
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute force. Value: {force}. It is no boolean."
        )));
    }
    let create = SnapshotCreate {
        volume_id,
        name,
        description: text(&body, "display_description").unwrap_or_default(),
        metadata: Vec::new(),
        attributes: "{}".to_owned(),
    };
    let made = context.cloud.create_snapshot(&create);
    Ok(one(&made.map_err(|error| volumes::refused(&create.volume_id, error))?))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("snapshot_id");
    context.cloud.delete_snapshot(id).map_err(|error| match error.code {
        ErrorCode::NotFound => missing(id),
        _ => volumes::refused("", error),
    })?;
    Ok(respond::empty(202))
}

pub(super) fn missing(id: &str) -> Fault {
    Fault::not_found(format!("Snapshot {id} could not be found."))
}

fn one(snapshot: &Snapshot) -> Response {
    super::one(key!("snapshot"), |writer| write(writer, snapshot))
}

fn write(writer: &mut Writer, snapshot: &Snapshot) {
    writer.begin_object().key(key!("id")).string(&snapshot.id);
    writer.key(key!("status")).string(&snapshot.state);
    writer.key(key!("size")).unsigned(snapshot.size_gib.into());
    writer.key(key!("createdAt")).plain(|out| time::write_micros(out, snapshot.created_at));
    writer.key(key!("displayName")).string(&snapshot.name);
    writer.key(key!("displayDescription")).string(&snapshot.description);
    writer.key(key!("volumeId")).string(&snapshot.volume_id).end_object();
}
