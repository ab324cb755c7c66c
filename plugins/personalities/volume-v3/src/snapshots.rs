//! Snapshots.

use skyloom_sdk::cloud::volumes::{Snapshot, SnapshotCreate, SnapshotUpdate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Request, Response, Volumes, key, respond, time};

use crate::lists::{Field, Of, Reads};
use crate::volumes::{member, pairs, text};
use crate::{Answer, lists, minor};

const FIELDS: &[Field] = &[
    ("id", "id", Some(Reads::Text), true),
    ("name", "name", Some(Reads::Text), true),
    ("display_name", "name", Some(Reads::Text), true),
    ("description", "description", Some(Reads::Text), false),
    ("status", "state", Some(Reads::State), true),
    ("volume_id", "volume-id", Some(Reads::Text), false),
    ("volume_size", "size-gib", Some(Reads::Text), true),
    ("metadata", "metadata", Some(Reads::Map), false),
    ("created_at", "created-at", Some(Reads::Time), true),
    ("updated_at", "updated-at", Some(Reads::Time), true),
];

fn id(request: &Request) -> &str {
    respond::param(request, "snapshot_id")
}

pub fn list<C: Volumes>(cloud: &C, request: &Request, detailed: bool) -> Answer {
    let of = Of {
        collection: "snapshots",
        fields: FIELDS,
        id: |snapshot: &Snapshot| &snapshot.id,
        write: &|json, snapshot| write(json, request, snapshot, detailed),
    };
    lists::list(request, &of, |conditions, page| {
        cloud.list_snapshots(conditions, page).map(|page| (page.snapshots, page.next))
    })
}

pub fn show<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, request, &cloud.get_snapshot(id(request))?, true))
}

/// `force` asks for a copy of what a server writes to; that is refused by the volume's state.
pub fn create<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let body = member(request, "snapshot")?;
    let create = SnapshotCreate {
        // Null is a volume that isn't there.
        volume_id: text(&body, &["volume_id"]).unwrap_or_default(),
        name: text(&body, &["name", "display_name"]).unwrap_or_default(),
        description: text(&body, &["description", "display_description"]).unwrap_or_default(),
        metadata: pairs(&body),
        attributes: "{}".to_owned(),
    };
    Ok(one(202, request, &cloud.create_snapshot(&create)?, false))
}

pub fn update<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    let body = member(request, "snapshot")?;
    let update = SnapshotUpdate {
        name: text(&body, &["name", "display_name"]),
        description: text(&body, &["description", "display_description"]),
        metadata: None,
        attributes: None,
    };
    Ok(one(200, request, &cloud.update_snapshot(id(request), &update)?, false))
}

pub fn delete<C: Volumes>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_snapshot(id(request))?;
    Ok(respond::empty(202))
}

/// What upstream's extensions add stands in answers to reads only: these are `detailed`.
fn one(status: u16, request: &Request, snapshot: &Snapshot, detailed: bool) -> Response {
    let mut json = Writer::with_capacity(512);
    json.begin_object().key(key!("snapshot"));
    write(&mut json, request, snapshot, detailed);
    json.end_object();
    respond::json(status, json.finish())
}

fn write(json: &mut Writer, request: &Request, snapshot: &Snapshot, detailed: bool) {
    json.begin_object().key(key!("id")).string(&snapshot.id).key(key!("name")).string(&snapshot.name);
    json.key(key!("description")).string(&snapshot.description);
    json.key(key!("volume_id")).string(&snapshot.volume_id);
    json.key(key!("status")).string(&snapshot.state);
    json.key(key!("size")).unsigned(snapshot.size_gib.into());
    json.key(key!("metadata")).string_map(&snapshot.metadata);
    json.key(key!("created_at")).plain(|out| time::write_micros(out, snapshot.created_at));
    json.key(key!("updated_at")).plain(|out| time::write_micros(out, snapshot.updated_at));
    if detailed {
        let progress = if snapshot.state == "available" { "100%" } else { "0%" };
        json.key(key!("os-extended-snapshot-attributes:progress")).string(progress);
        json.key(key!("os-extended-snapshot-attributes:project_id")).string(&snapshot.project_id);
    }
    let minor = minor(request);
    if minor >= 14 {
        json.key(key!("group_snapshot_id")).null();
    }
    if minor >= 41 {
        json.key(key!("user_id")).string(&snapshot.user_id);
    }
    if minor >= 65 {
        json.key(key!("consumes_quota")).boolean(true);
    }
    json.end_object();
}
