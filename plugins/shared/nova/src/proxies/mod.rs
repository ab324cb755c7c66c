//! What Nova once did for other services, as clients of old ask for it: security groups, networks, floating IPs, volumes, snapshots,
//! images. The records are those of the services' own APIs. All of it ends with 2.35, but the metadata of images with 2.38 and what
//! gives servers floating IPs with 2.43.

pub mod floating_ips;
pub mod group_rules;
pub mod image_metadata;
pub mod images;
pub mod networks;
pub mod security_groups;
pub mod snapshots;
pub mod volumes;

use serde_json::{Map, Value};
use skyloom_sdk::json::{Key, Writer};
use skyloom_sdk::paging::by_id;
use skyloom_sdk::{Cloud, PageRequest, Response, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;

/// Rows of a list at most.
const MOST: u32 = 1000;
/// Bytes from which on a list takes no further page.
const LARGEST: usize = 8 * 1024 * 1024;

/// Of what has ended at the request's version, whatever else is wrong with it.
pub(crate) fn check_end<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    let operation = context.request.operation.as_str();
    let kind = operation.split('.').next().unwrap_or_default();
    let last = match kind {
        "images" if operation.contains("_metadata") => 38,
        "server_floating_ips" => 43,
        "floating_ips"
        | "floating_ip_pools"
        | "networks"
        | "security_groups"
        | "security_group_rules"
        | "volumes"
        | "snapshots"
        | "images" => 35,
        _ => return Ok(()),
    };
    if context.minor > last { Err(Fault::not_found("The resource could not be found.")) } else { Ok(()) }
}

/// None: the operation is none of these.
pub fn serve<C: Cloud>(context: &Context<'_, C>, operation: &str) -> Option<Answer> {
    let handler: fn(&Context<'_, C>) -> Answer = match operation {
        "floating_ips.list" => floating_ips::list,
        "floating_ips.show" => floating_ips::show,
        "floating_ips.create" => floating_ips::create,
        "floating_ips.delete" => floating_ips::delete,
        "floating_ip_pools.list" => floating_ips::list_pools,
        "server_floating_ips.add" => floating_ips::add,
        "server_floating_ips.remove" => floating_ips::remove,
        "networks.list" => networks::list,
        "networks.show" => networks::show,
        "security_groups.list" => security_groups::list,
        "security_groups.show" => security_groups::show,
        "security_groups.create" => security_groups::create,
        "security_groups.update" => security_groups::update,
        "security_groups.delete" => security_groups::delete,
        "security_group_rules.create" => group_rules::create,
        "security_group_rules.delete" => group_rules::delete,
        "volumes.list" | "volumes.list_detail" => volumes::list,
        "volumes.show" => volumes::show,
        "volumes.create" => volumes::create,
        "volumes.delete" => volumes::delete,
        "snapshots.list" | "snapshots.list_detail" => snapshots::list,
        "snapshots.show" => snapshots::show,
        "snapshots.create" => snapshots::create,
        "snapshots.delete" => snapshots::delete,
        "images.list" => images::list,
        "images.list_detail" => images::list_detail,
        "images.show" => images::show,
        "images.delete" => images::delete,
        "images.list_metadata" => image_metadata::list,
        "images.update_metadata" => image_metadata::update,
        "images.replace_metadata" => image_metadata::replace,
        "images.show_metadata_item" => image_metadata::show_item,
        "images.update_metadata_item" => image_metadata::update_item,
        "images.delete_metadata_item" => image_metadata::delete_item,
        _ => return None,
    };
    Some(handler(context))
}

/// The rows of a list that are asked for.
pub(crate) struct Rows {
    offset: usize,
    limit: usize,
}

impl Rows {
    const ALL: Self = Self { offset: 0, limit: usize::MAX };

    /// By `offset` and `limit`; a limit of 0 is none, a number that is too large is larger than any list.
    pub(crate) fn asked<C>(context: &Context<'_, C>) -> Self {
        let number = |name: &str| context.query().last(name).map(|text| text.parse::<usize>().unwrap_or(usize::MAX));
        let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(usize::MAX).min(MOST as usize);
        Self { offset: number("offset").unwrap_or(0), limit }
    }
}

/// The rows under `name`, page by page of the core's, of which none is kept. A list that becomes too large ends early, like one whose
/// limit was smaller.
pub(crate) fn list<T>(
    rows: Rows,
    name: Key,
    mut fetch: impl FnMut(PageRequest) -> Result<(Vec<T>, Option<String>), Fault>,
    mut write: impl FnMut(&mut Writer, &[T]) -> Result<(), Fault>,
) -> Answer {
    let Rows { offset: mut before, limit } = rows;
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(name).begin_array();
    let (mut written, mut marker) = (0, None);
    loop {
        let wanted = before.saturating_add(limit - written).min(MOST as usize);
        let (page, next) = fetch(PageRequest { limit: wanted as u32, marker: marker.take(), sort: by_id() })?;
        let passed = before.min(page.len());
        before -= passed;
        let shown = &page[passed..page.len().min(passed.saturating_add(limit - written))];
        write(&mut writer, shown)?;
        written += shown.len();
        match next {
            Some(next) if written < limit && writer.bytes() < LARGEST => marker = Some(next),
            _ => break,
        }
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

/// For [`list`]: each row by itself.
pub(crate) fn each<T>(write: impl Fn(&mut Writer, &T)) -> impl FnMut(&mut Writer, &[T]) -> Result<(), Fault> {
    move |writer, rows| {
        for row in rows {
            write(writer, row);
        }
        Ok(())
    }
}

/// One thing under `name`.
pub(crate) fn one(name: Key, write: impl FnOnce(&mut Writer)) -> Response {
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(name);
    write(&mut writer);
    writer.end_object();
    respond::json(200, writer.finish())
}

/// A text of a body that its schema has seen; null and what isn't there are none.
fn text(map: &Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.as_str().map(str::to_owned)
}
