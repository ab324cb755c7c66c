//! The actions that were asked for on a server.

use skyloom_sdk::cloud::compute::Server;
use skyloom_sdk::cloud::operations::Operation;
use skyloom_sdk::conditions::is;
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::Paging;
use skyloom_sdk::{Cloud, Condition, PageRequest, key, respond, time};

use super::{changed, fetch};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::views::action::{Events, write_events, write_open};

const MOST: u32 = 1000;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = server(context)?;
    let id = context.param("server_id");
    let mut wanted = of_server(id);
    let mut page = PageRequest { limit: MOST, marker: None, sort: Vec::new() };
    if context.since(58) {
        let before = if context.since(66) { span(context, "changes-before")? } else { None };
        wanted.extend(changed(span(context, "changes-since")?, before)?);
        let paging = Paging::from_query(&context.query())
            .map_err(|bad| Fault::bad_request(format!("limit '{}' is no number", bad.0)))?;
        if paging.limit == Some(0) {
            return Ok(respond::json(200, b"{\"instanceActions\":[]}".to_vec()));
        }
        page = paging.request(MOST, MOST, Vec::new());
        if let Some(request_id) = page.marker.take() {
            page.marker = Some(marker(context, id, &request_id)?);
        }
    }
    let found = context.cloud.list_operations(&wanted, &page)?;
    if found.operations.is_empty()
        && server.is_none()
        && context.cloud.list_operations(&of_server(id), &one())?.operations.is_empty()
    {
        return Err(gone(id));
    }
    let mut writer = Writer::with_capacity(256 + found.operations.len() * 400);
    writer.begin_object().key(key!("instanceActions")).begin_array();
    for operation in &found.operations {
        write_open(&mut writer, operation, context.minor);
        writer.end_object();
    }
    writer.end_array();
    if let (Some(_), Some(last), true) = (&found.next, found.operations.last(), context.since(58)) {
        writer.key(key!("links"));
        let collection = format!("/servers/{id}/os-instance-actions");
        context.links.write_next(&mut writer, &collection, &context.request.query, &last.request_id);
    }
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = server(context)?;
    let id = context.param("server_id");
    let request_id = context.param("request_id");
    let operation = by_request(context, id, request_id)?;
    let Some(operation) = operation else {
        return Err(match server {
            None if context.cloud.list_operations(&of_server(id), &one())?.operations.is_empty() => gone(id),
            _ => Fault::not_found(format!("Action {request_id} not found")),
        });
    };
    let mut writer = Writer::with_capacity(1024 + operation.steps.len() * 300);
    writer.begin_object().key(key!("instanceAction"));
    write_open(&mut writer, &operation, context.minor);
    if context.admin() || context.since(51) {
        let (node, host_id) =
            server.as_ref().map_or(("", ""), |server| (server.node.as_str(), server.host_id.as_str()));
        write_events(&mut writer, &operation, &Events { minor: context.minor, admin: context.admin(), node, host_id });
    }
    writer.end_object().end_object();
    Ok(respond::json(200, writer.finish()))
}

/// The server; from 2.21 on none when it is gone, whose actions can still be read.
fn server<C: Cloud>(context: &Context<'_, C>) -> Result<Option<Server>, Fault> {
    match fetch(context, &[]) {
        Ok(server) => Ok(Some(server)),
        Err(fault) if fault.status == 404 && context.since(21) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn gone(id: &str) -> Fault {
    Fault::not_found(format!("Instance {id} could not be found."))
}

fn of_server(id: &str) -> Vec<Condition> {
    vec![is("resource-id", id)]
}

fn one() -> PageRequest {
    PageRequest { limit: 1, marker: None, sort: Vec::new() }
}

fn by_request<C: Cloud>(context: &Context<'_, C>, id: &str, request_id: &str) -> Result<Option<Operation>, Fault> {
    let wanted = [is("resource-id", id), is("request-id", request_id)];
    Ok(context.cloud.list_operations(&wanted, &one())?.operations.into_iter().next())
}

/// Nova's marker is a request's id, the core's an operation's.
fn marker<C: Cloud>(context: &Context<'_, C>, id: &str, request_id: &str) -> Result<String, Fault> {
    let unknown = || Fault::bad_request(format!("Marker {request_id} could not be found."));
    match by_request(context, id, request_id) {
        Ok(Some(operation)) => Ok(operation.id),
        Ok(None) => Err(unknown()),
        Err(fault) if fault.status == 400 => Err(unknown()),
        Err(fault) => Err(fault),
    }
}

/// The first and the last moment that a parameter means.
fn span<C>(context: &Context<'_, C>, name: &str) -> Result<Option<(i64, i64)>, Fault> {
    let Some(text) = context.query().last(name) else { return Ok(None) };
    time::parse_span(text).map(Some).ok_or_else(|| {
        Fault::bad_request(format!(
            "Invalid input for query parameters {name}. Value: {text}. '{text}' is not a 'date-time'"
        ))
    })
}
