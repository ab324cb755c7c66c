//! Volumes.

use serde_json::{Map, Value};
use skyloom_sdk::cloud::volumes::{MetadataChange, Volume, VolumeCreate, VolumeUpdate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::{boolean, count};
use skyloom_sdk::{ErrorCode, Request, Response, Volumes, key, respond, time};

use crate::lists::{Field, Of, Reads, state, write_links};
use crate::{Answer, Fault, lists, minor};

const FIELDS: &[Field] = &[
    ("id", "id", Some(Reads::Text), true),
    ("name", "name", Some(Reads::Text), true),
    ("display_name", "name", Some(Reads::Text), true),
    ("description", "description", Some(Reads::Text), false),
    ("status", "state", Some(Reads::State), true),
    ("size", "size-gib", Some(Reads::Text), true),
    ("bootable", "bootable", Some(Reads::Flag), true),
    ("availability_zone", "zone", Some(Reads::Text), true),
    ("volume_type", "volume-type", Some(Reads::Text), true),
    ("metadata", "metadata", Some(Reads::Map), false),
    ("snapshot_id", "snapshot-id", Some(Reads::Text), false),
    ("source_volid", "source-volume-id", Some(Reads::Text), false),
    ("user_id", "user-id", Some(Reads::Text), false),
    ("created_at", "created-at", Some(Reads::Time), true),
    ("updated_at", "updated-at", Some(Reads::Time), true),
];

fn id(request: &Request) -> &str {
    respond::param(request, "volume_id")
}

/// The object of the body below `name`; the schema has seen it.
pub fn member(request: &Request, name: &str) -> Result<Map<String, Value>, Fault> {
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|_| Fault::bad_request("Malformed request body"))?;
    match body {
        Value::Object(mut body) => match body.remove(name) {
            Some(Value::Object(member)) => Ok(member),
            _ => Err(Fault::bad_request(format!("'{name}' is a required property"))),
        },
        _ => Err(Fault::bad_request("Malformed request body")),
    }
}

/// A text of one of these names; null and a name that isn't there are none.
pub fn text(map: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| map.get(*name)?.as_str().map(str::to_owned))
}

pub fn pairs(map: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(Value::Object(items)) = map.get("metadata") else { return Vec::new() };
    items.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

pub fn list<C: Volumes>(cloud: &C, request: &Request, detailed: bool) -> Answer {
    let of = Of {
        collection: "volumes",
        fields: FIELDS,
        id: |volume: &Volume| &volume.id,
        write: &|json, volume| write(json, request, volume, if detailed { Told::Whole } else { Told::Name }),
    };
    lists::list(request, &of, |conditions, page| {
        cloud.list_volumes(conditions, page).map(|page| (page.volumes, page.next))
    })
}

pub fn show<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, request, &cloud.get_volume(id(request))?, Told::Whole))
}

pub fn create<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let body = member(request, "volume")?;
    for name in ["consistencygroup_id", "group_id", "backup_id", "source_replica"] {
        if text(&body, &[name]).is_some_and(|value| !value.is_empty()) {
            return Err(Fault::invalid(name, "This cloud does not support it."));
        }
    }
    if body.get("multiattach").is_some_and(|value| boolean(value) != Some(false) && !value.is_null()) {
        return Err(Fault::invalid("multiattach", "This cloud attaches a volume to one server at a time."));
    }
    let given = |names: &[&str]| text(&body, names).filter(|id| !id.is_empty());
    let sources = [
        ("snapshot", given(&["snapshot_id"])),
        ("volume", given(&["source_volid"])),
        ("image", given(&["imageRef", "image_id"])),
    ];
    let mut named = sources.into_iter().filter_map(|(kind, id)| Some((kind, id?)));
    // As upstream, whose order this is, the first one counts.
    let (source, source_id) = named.next().map_or(("empty", None), |(kind, id)| (kind, Some(id)));
    let size = match body.get("size") {
        None | Some(Value::Null) => None,
        Some(size) => Some(count(size).ok_or_else(|| Fault::invalid("size", "It is no number of GiB."))?),
    };
    if size.is_none() && matches!(source, "empty" | "image") {
        return Err(Fault::bad_request("Invalid input received: Missing required element 'size' in request body."));
    }
    let create = VolumeCreate {
        name: text(&body, &["name", "display_name"]).unwrap_or_default(),
        description: text(&body, &["description", "display_description"]).unwrap_or_default(),
        size_gib: size,
        source: source.to_owned(),
        source_id,
        volume_type: given(&["volume_type"]),
        zone: given(&["availability_zone"]),
        metadata: pairs(&body),
        attributes: "{}".to_owned(),
    };
    Ok(one(202, request, &cloud.create_volume(&create)?, Told::Change))
}

const UNCHANGED: VolumeUpdate =
    VolumeUpdate { name: None, description: None, bootable: None, metadata: None, attributes: None };

pub fn update<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let body = member(request, "volume")?;
    let update = VolumeUpdate {
        name: text(&body, &["name", "display_name"]),
        description: text(&body, &["description", "display_description"]),
        metadata: body.get("metadata").filter(|map| map.is_object()).map(|_| MetadataChange::Replace(pairs(&body))),
        ..UNCHANGED
    };
    Ok(one(200, request, &cloud.update_volume(id(request), &update)?, Told::Change))
}

pub fn delete<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_volume(id(request))?;
    Ok(respond::empty(202))
}

pub fn extend<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let body = member(request, "os-extend")?;
    let size = body.get("new_size").and_then(count);
    let size = size.ok_or_else(|| Fault::invalid("new_size", "It is no number of GiB."))?;
    cloud.grow_volume(id(request), size).map_err(|error| match error.field.as_deref() {
        Some("size-gib") if error.code == ErrorCode::Invalid => Fault::invalid("new_size", &error.message),
        _ => error.into(),
    })?;
    Ok(respond::empty(202))
}

pub fn set_bootable<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let body = member(request, "os-set_bootable")?;
    let bootable = body.get("bootable").and_then(boolean);
    let bootable = bootable.ok_or_else(|| Fault::invalid("bootable", "It is no boolean."))?;
    cloud.update_volume(id(request), &VolumeUpdate { bootable: Some(bootable), ..UNCHANGED })?;
    Ok(respond::empty(200))
}

/// How much of a volume an answer tells. What upstream's extensions add stands in answers to reads only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Name,
    Change,
    Whole,
}

fn one(status: u16, request: &Request, volume: &Volume, told: Told) -> Response {
    let mut json = Writer::with_capacity(1024);
    json.begin_object().key(key!("volume"));
    write(&mut json, request, volume, told);
    json.end_object();
    respond::json(status, json.finish())
}

fn write(json: &mut Writer, request: &Request, volume: &Volume, told: Told) {
    json.begin_object().key(key!("id")).string(&volume.id).key(key!("name")).string(&volume.name);
    write_links(json, request, "volumes", &volume.id);
    if told == Told::Name {
        json.end_object();
        return;
    }
    let minor = minor(request);
    json.key(key!("description")).string(&volume.description);
    json.key(key!("status")).string(state(&volume.state));
    json.key(key!("size")).unsigned(volume.size_gib.into());
    json.key(key!("availability_zone")).string(&volume.zone);
    json.key(key!("created_at")).plain(|out| time::write_micros(out, volume.created_at));
    json.key(key!("updated_at")).plain(|out| time::write_micros(out, volume.updated_at));
    json.key(key!("volume_type")).string(&volume.volume_type);
    json.key(key!("snapshot_id")).optional_string(volume.snapshot_id.as_deref());
    json.key(key!("source_volid")).optional_string(volume.source_volume_id.as_deref());
    // A text, for historical reasons.
    json.key(key!("bootable")).string(if volume.bootable { "true" } else { "false" });
    json.key(key!("encrypted")).boolean(false).key(key!("multiattach")).boolean(false);
    json.key(key!("metadata")).string_map(&volume.metadata);
    json.key(key!("user_id")).string(&volume.user_id);
    json.key(key!("replication_status")).null().key(key!("consistencygroup_id")).null();
    json.key(key!("migration_status")).null();
    write_attachments(json, volume);
    if told == Told::Whole {
        json.key(key!("os-vol-tenant-attr:tenant_id")).string(&volume.project_id);
        if let Some(image) = &volume.image_id {
            json.key(key!("volume_image_metadata")).begin_object();
            json.key(key!("image_id")).string(image).end_object();
        }
    }
    if minor >= 13 {
        json.key(key!("group_id")).null();
    }
    if minor >= 48 {
        json.key(key!("service_uuid")).null().key(key!("shared_targets"));
        if minor >= 69 {
            json.null()
        } else {
            json.boolean(false)
        };
    }
    if minor >= 63 {
        json.key(key!("volume_type_id")).string(&volume.volume_type);
    }
    if minor >= 65 {
        json.key(key!("consumes_quota")).boolean(true);
    }
    json.end_object();
}

/// A volume has one attachment at most, whose id is the volume's.
fn write_attachments(json: &mut Writer, volume: &Volume) {
    json.key(key!("attachments")).begin_array();
    if let (Some(server), Some(attached_at)) = (&volume.server_id, volume.attached_at) {
        json.begin_object().key(key!("id")).string(&volume.id).key(key!("attachment_id")).string(&volume.id);
        json.key(key!("volume_id")).string(&volume.id).key(key!("server_id")).string(server);
        json.key(key!("host_name")).null().key(key!("device")).string(&volume.device);
        json.key(key!("attached_at")).plain(|out| time::write_micros(out, attached_at)).end_object();
    }
    json.end_array();
}
