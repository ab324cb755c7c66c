//! Maps of text on volumes and snapshots: both in the same way.

use skyloom_sdk::cloud::volumes::{MetadataChange, SnapshotUpdate, VolumeUpdate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Error, Request, Response, Volumes, key, respond};

use crate::volumes::member;
use crate::{Answer, Fault};

type Pairs = Vec<(String, String)>;

/// `kind` is `volumes` or `snapshots`, `verb` what stands behind it in the operation's name.
pub fn handle<C: Volumes>(cloud: &C, request: &Request, kind: &str, verb: &str) -> Answer {
    let key = respond::param(request, "key");
    match verb {
        "metadata" => Ok(whole(&read(cloud, request, kind)?)),
        "metadata_merge" => {
            Ok(whole(&change(cloud, request, kind, MetadataChange::Merge(given(request, "metadata")?))?))
        }
        "metadata_replace" => {
            Ok(whole(&change(cloud, request, kind, MetadataChange::Replace(given(request, "metadata")?))?))
        }
        "metadata_item" => item(&read(cloud, request, kind)?, key),
        "metadata_put" => {
            let meta = given(request, "meta")?;
            if meta.iter().any(|(name, _)| name != key) {
                return Err(Fault::bad_request("Request body and URI mismatch"));
            }
            item(&change(cloud, request, kind, MetadataChange::Merge(meta))?, key)
        }
        _ => {
            change(cloud, request, kind, MetadataChange::Remove(key.to_owned()))?;
            Ok(respond::empty(200))
        }
    }
}

fn given(request: &Request, name: &str) -> Result<Pairs, Fault> {
    let map = member(request, name)?;
    Ok(map.into_iter().map(|(key, value)| (key, value.as_str().unwrap_or_default().to_owned())).collect())
}

fn read<C: Volumes>(cloud: &C, request: &Request, kind: &str) -> Result<Pairs, Error> {
    if kind == "snapshots" {
        return Ok(cloud.get_snapshot(respond::param(request, "snapshot_id"))?.metadata);
    }
    Ok(cloud.get_volume(respond::param(request, "volume_id"))?.metadata)
}

fn change<C: Volumes>(cloud: &C, request: &Request, kind: &str, change: MetadataChange) -> Result<Pairs, Error> {
    let metadata = Some(change);
    if kind == "snapshots" {
        let update = SnapshotUpdate { name: None, description: None, metadata, attributes: None };
        return Ok(cloud.update_snapshot(respond::param(request, "snapshot_id"), &update)?.metadata);
    }
    let update = VolumeUpdate { name: None, description: None, bootable: None, metadata, attributes: None };
    Ok(cloud.update_volume(respond::param(request, "volume_id"), &update)?.metadata)
}

fn whole(pairs: &Pairs) -> Response {
    let mut json = Writer::with_capacity(256);
    json.begin_object().key(key!("metadata")).string_map(pairs).end_object();
    respond::json(200, json.finish())
}

fn item(pairs: &Pairs, key: &str) -> Answer {
    let found = pairs.iter().find(|(name, _)| name == key);
    let found = found.ok_or_else(|| Fault::new(404, format!("Metadata item was not found: {key}")))?;
    let mut json = Writer::with_capacity(256);
    json.begin_object().key(key!("meta")).string_map([found]).end_object();
    Ok(respond::json(200, json.finish()))
}
