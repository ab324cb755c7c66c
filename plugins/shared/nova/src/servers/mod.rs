//! Servers.

pub mod actions;
pub mod attachments;
pub mod create;
mod disks;
pub mod groups;
pub mod history;
pub mod interfaces;
pub mod list;
pub mod metadata;
pub(crate) mod names;
mod networks;
pub mod parts;
pub mod password;
pub mod rebuild;
pub mod sizes;
mod sort;
pub mod tags;

use serde_json::{Map, Value};
use skyloom_sdk::cloud::compute::{DeleteOptions, Server, ServerUpdate, TaskState, VmState};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::servers::Row;
use skyloom_sdk::{Cloud, Condition, conditions, key, respond};

use crate::attributes::Attributes;
use crate::context::{Answer, Context};
use crate::errors::{Fault, of_server};
use crate::views::server::{View, shows_user_data, size, write};

const UNWRITABLE: &str = "Only the fields of a server that can be changed may be given";

/// The server that the path names, with these parts.
pub fn fetch<C: Cloud>(context: &Context<'_, C>, parts: &[&str]) -> Result<Server, Fault> {
    let id = context.param("server_id");
    context.cloud.get_server(id, &conditions::parts(parts)).map_err(of_server(id))
}

/// The parts of a server that is shown.
fn shown_parts<C>(context: &Context<'_, C>) -> &'static [&'static str] {
    const ALL: &[&str] = &["nics", "volumes", "security-groups", "tags", "metadata", "attributes", "user-data"];
    if shows_user_data(context.rules, context.admin(), context.minor) { ALL } else { &ALL[..ALL.len() - 1] }
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = fetch(context, shown_parts(context))?;
    answer(context, &server, true)
}

fn answer<C: Cloud>(context: &Context<'_, C>, server: &Server, whole: bool) -> Answer {
    let hosts = hosts_up(context)?;
    let server = Row::from(server);
    let mut writer = Writer::with_capacity(size(&server));
    writer.begin_object().key(key!("server"));
    write(&mut writer, &server, &View { whole, ..view(context, hosts.as_deref(), true) });
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

pub(crate) fn view<'a, C>(context: &'a Context<'_, C>, hosts_up: Option<&'a [String]>, single: bool) -> View<'a> {
    View {
        links: &context.links,
        rules: context.rules,
        minor: context.minor,
        admin: context.admin(),
        whole: true,
        rebuilt: None,
        single,
        hosts_up,
    }
}

/// Nodes of the zones that are up: operators see them from 2.16 on.
pub(crate) fn hosts_up<C: Cloud>(context: &Context<'_, C>) -> Result<Option<Vec<String>>, Fault> {
    if !context.since(16) || !context.admin() {
        return Ok(None);
    }
    let zones = context.cloud.list_zones()?;
    Ok(Some(zones.into_iter().filter(|zone| zone.available).flat_map(|zone| zone.nodes).collect()))
}

/// Changed from the first moment of `since` to the last one of `before`.
fn changed(since: Option<(i64, i64)>, before: Option<(i64, i64)>) -> Result<Vec<Condition>, Fault> {
    let (since, before) = (since.map(|(first, _)| first), before.map(|(_, last)| last));
    if let (Some(since), Some(before)) = (since, before)
        && since > before
    {
        return Err(Fault::bad_request("The value of changes-since must be less than or equal to changes-before."));
    }
    let (since, before) = (
        since.map(|first| conditions::from("updated-at", first)),
        before.map(|last| conditions::before("updated-at", last.saturating_add(1))),
    );
    Ok(since.into_iter().chain(before).collect())
}

pub fn update<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("server")?;
    check_updatable(context, &body)?;
    let fields = Fields::new(&body, &["server"]);
    let id = context.param("server_id");
    let mut update = ServerUpdate {
        name: None,
        description: None,
        hostname: fields.optional_str("hostname")?.map(str::to_owned),
        access_ipv4: fields.optional_str("accessIPv4")?.map(str::to_owned),
        access_ipv6: fields.optional_str("accessIPv6")?.map(str::to_owned),
        attributes: None,
    };
    if let Some(name) = fields.optional_str("name")? {
        update.name = Some(names::checked(context, name, context.rules.names.longest.max(255))?);
    }
    if fields.has("description") {
        let description = fields.optional_str("description")?;
        names::check_description(description, 255, &[])?;
        update.description = Some(description.map(str::to_owned));
    }
    if let Some(disk_config) = fields.optional_str("OS-DCF:diskConfig")? {
        let server = fetch(context, &["attributes"])?;
        let attributes = Attributes { disk_config: Some(disk_config.into()), ..Attributes::read(&server.attributes) };
        update.attributes = Some(attributes.write());
    }
    let server = context.cloud.update_server(id, &update).map_err(of_server(id))?;
    answer(context, &server, context.since(75))
}

/// Which fields may stand in an update at this microversion; `/v2` overlooks the others.
fn check_updatable<C>(context: &Context<'_, C>, body: &Map<String, Value>) -> Result<(), Fault> {
    for name in body.keys() {
        let allowed = match name.as_str() {
            "description" => context.since(19),
            "hostname" => context.since(90) && context.rules.updatable.contains(&"hostname"),
            other => context.rules.updatable.contains(&other),
        };
        if !allowed && !context.legacy {
            return Err(Fault::bad_request(format!("{UNWRITABLE} ('{name}' was unexpected)")));
        }
    }
    Ok(())
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    remove(context, "delete")?;
    Ok(respond::empty(204))
}

/// Deletion on a mount whose servers go into the recycle bin.
pub fn recycle<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let refused = actions::act(context, "recycle", &[], "delete").err();
    match refused {
        // Once more is no error.
        Some(fault) if fault.status != 409 || !goes(&fetch(context, &[])?) => Err(fault),
        _ => Ok(respond::empty(204)),
    }
}

/// Whether it is deleted already, or being deleted.
fn goes(server: &Server) -> bool {
    server.vm_state == VmState::SoftDeleted
        || matches!(server.task_state, Some(TaskState::SoftDeleting | TaskState::Deleting))
}

/// Deletion that no recycle bin puts off.
pub fn force_delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    remove(context, "forceDelete")?;
    Ok(respond::empty(202))
}

fn remove<C: Cloud>(context: &Context<'_, C>, word: &str) -> Result<(), Fault> {
    let id = context.param("server_id");
    // What goes with the server was said at its creation (delete_on_termination, ports by id stay).
    let options = DeleteOptions { delete_volumes: false, delete_public_addresses: None };
    context
        .cloud
        .delete_servers(&[id.to_owned()], options, false, true)
        .map_err(|error| actions::refusal(context, id, word, error))?;
    Ok(())
}
