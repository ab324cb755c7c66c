//! Volume types, which the deployment names: a type's id is its name.

use skyloom_sdk::cloud::volumes::VolumeType;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Request, Volumes, key, respond};

use crate::{Answer, Fault};

pub fn list<C: Volumes>(cloud: &C) -> Answer {
    let mut json = Writer::with_capacity(512);
    json.begin_object().key(key!("volume_types")).begin_array();
    for kind in &cloud.list_volume_types()? {
        write(&mut json, kind);
    }
    json.end_array().end_object();
    Ok(respond::json(200, json.finish()))
}

pub fn show<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let id = respond::param(request, "type_id");
    let kinds = cloud.list_volume_types()?;
    let found = kinds.iter().find(|kind| if id == "default" { kind.is_default } else { kind.name == id });
    let found = found.ok_or_else(|| Fault::new(404, format!("Volume type {id} could not be found.")))?;
    let mut json = Writer::with_capacity(256);
    json.begin_object().key(key!("volume_type"));
    write(&mut json, found);
    json.end_object();
    Ok(respond::json(200, json.finish()))
}

fn write(json: &mut Writer, kind: &VolumeType) {
    json.begin_object().key(key!("id")).string(&kind.name).key(key!("name")).string(&kind.name);
    json.key(key!("description")).null().key(key!("is_public")).boolean(true);
    json.key(key!("os-volume-type-access:is_public")).boolean(true);
    json.key(key!("qos_specs_id")).null().key(key!("extra_specs")).begin_object().end_object().end_object();
}
