//! Host aggregates, for operators. The zone of one stands among its metadata, too: both are one thing.

use serde_json::Value;
use skyloom_sdk::cloud::compute::{Aggregate, AggregateUpdate, MetadataChange};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::paging::every_page;
use skyloom_sdk::{Cloud, Error, ErrorCode, Response, key, respond, time};

use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::names::check_printable;

/// The item of the metadata that names the zone.
const ZONE: &str = "availability_zone";

const UNCHANGED: AggregateUpdate = AggregateUpdate { name: None, zone: None, metadata: Vec::new() };

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let mut aggregates = every_page(|page| {
        let found = context.cloud.list_aggregates(&[], &page)?;
        Ok::<_, Fault>((found.aggregates, found.next))
    })?;
    aggregates.sort_by_key(number);
    let mut writer = Writer::with_capacity(64 + aggregates.len() * 512);
    writer.begin_object().key(key!("aggregates")).begin_array();
    for aggregate in &aggregates {
        write(context, &mut writer, aggregate, true);
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(whole(context, &context.cloud.get_aggregate(&id(context)?)?))
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("aggregate")?;
    let fields = Fields::new(&body, &["aggregate"]);
    let name = name(context, fields.str("name")?)?;
    let made = context.cloud.create_aggregate(name, fields.optional_str(ZONE)?)?;
    Ok(answer(context, &made, false))
}

pub fn update<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = id(context)?;
    let body = context.body_member("aggregate")?;
    let fields = Fields::new(&body, &["aggregate"]);
    let name = fields.optional_str("name")?.map(|text| name(context, text)).transpose()?;
    let zone = fields.value(ZONE).map(|zone| named_zone(&id, "update", zone)).transpose()?;
    if name.is_none() && zone.is_none() {
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute aggregate. It holds neither 'name' nor '{ZONE}'"
        )));
    }
    let update = AggregateUpdate { name: name.map(str::to_owned), zone, ..UNCHANGED };
    let changed = context.cloud.update_aggregate(&id, &update).map_err(refusal(&id, 400, "update"))?;
    Ok(whole(context, &changed))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = id(context)?;
    context.cloud.delete_aggregate(&id).map_err(|error| match error.code {
        ErrorCode::WrongState => {
            Fault::bad_request(format!("Cannot remove aggregate {id}. Reason: Host aggregate is not empty."))
        }
        _ => error.into(),
    })?;
    Ok(respond::empty(200))
}

pub fn add_host<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, host) = (id(context)?, host(context, "add_host")?);
    let changed = context.cloud.add_aggregate_node(&id, &host).map_err(|error| match error.code {
        ErrorCode::AlreadyExists => Fault::new(409, format!("Aggregate {id} already has host {host}.")),
        _ => refusal(&id, 409, "add host to")(error),
    })?;
    Ok(whole(context, &changed))
}

pub fn remove_host<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, host) = (id(context)?, host(context, "remove_host")?);
    let changed = context.cloud.remove_aggregate_node(&id, &host).map_err(|error| match error.field.as_deref() {
        Some("node") => Fault::not_found(format!("Aggregate {id} has no host {host}.")),
        _ => refusal(&id, 409, "remove host from")(error),
    })?;
    Ok(whole(context, &changed))
}

pub fn set_metadata<C: Cloud>(context: &Context<'_, C>) -> Answer {
    const WHAT: &str = "update metadata of";
    let id = id(context)?;
    let body = context.body_member("set_metadata")?;
    let mut update = UNCHANGED;
    for (key, value) in Fields::new(&body, &["set_metadata"]).object("metadata")? {
        let value = match value {
            zone if key == ZONE => {
                update.zone = Some(named_zone(&id, WHAT, zone)?);
                continue;
            }
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            _ => return Err(Fault::invalid_type(key, "string")),
        };
        update.metadata.push(MetadataChange { key: key.clone(), value });
    }
    let changed = context.cloud.update_aggregate(&id, &update).map_err(refusal(&id, 400, WHAT))?;
    Ok(whole(context, &changed))
}

/// The number in the path.
fn id<C>(context: &Context<'_, C>) -> Result<String, Fault> {
    let number = context.param("aggregate_id").parse::<u64>();
    number.map(|id| id.to_string()).map_err(|_| Fault::bad_request("Invalid input received: id must be an integer"))
}

/// The id as a number, which the core's is.
fn number(aggregate: &Aggregate) -> u64 {
    aggregate.id.parse().unwrap_or_default()
}

/// `/v2` cuts blanks at its ends.
fn name<'a, C>(context: &Context<'_, C>, text: &'a str) -> Result<&'a str, Fault> {
    let name = if context.legacy { text.trim() } else { text };
    check_printable(name)?;
    Ok(name)
}

/// A zone that an aggregate has it keeps, or changes for another one.
fn named_zone(id: &str, what: &str, zone: &Value) -> Result<String, Fault> {
    match zone {
        Value::String(zone) if !zone.is_empty() => Ok(zone.clone()),
        Value::String(_) | Value::Null => {
            let reason = format!("Aggregate {id} does not support empty named availability zone");
            Err(Fault::bad_request(format!("Cannot {what} aggregate {id}. Reason: {reason}.")))
        }
        _ => Err(Fault::invalid_type(ZONE, "string")),
    }
}

fn host<C>(context: &Context<'_, C>, action: &str) -> Result<String, Fault> {
    Ok(Fields::new(&context.body_member(action)?, &[action]).str("host")?.to_owned())
}

/// What hosts and zones don't allow, as upstream says it.
fn refusal(id: &str, status: u16, what: &str) -> impl Fn(Error) -> Fault {
    let cannot = format!("Cannot {what} aggregate {id}. Reason: ");
    move |error| match (&error.code, error.reason.as_deref()) {
        (ErrorCode::WrongState, Some("in-use")) => {
            Fault::new(status, format!("{cannot}One or more hosts contain instances in this zone."))
        }
        (ErrorCode::WrongState, _) => Fault::new(
            status,
            format!("{cannot}One or more hosts already in availability zone(s) of other aggregates."),
        ),
        _ => error.into(),
    }
}

fn whole<C>(context: &Context<'_, C>, aggregate: &Aggregate) -> Response {
    answer(context, aggregate, true)
}

fn answer<C>(context: &Context<'_, C>, aggregate: &Aggregate, with_hosts: bool) -> Response {
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("aggregate"));
    write(context, &mut writer, aggregate, with_hosts);
    writer.end_object();
    respond::json(200, writer.finish())
}

/// A new one is shown without hosts and metadata.
fn write<C>(context: &Context<'_, C>, writer: &mut Writer, aggregate: &Aggregate, with_hosts: bool) {
    let zone = aggregate.zone.as_ref().map(|zone| (ZONE.to_owned(), zone.clone()));
    writer.begin_object().key(key!("availability_zone")).optional_string(aggregate.zone.as_deref());
    writer.key(key!("created_at")).plain(|out| time::write_micros(out, aggregate.created_at));
    writer.key(key!("deleted")).boolean(false).key(key!("deleted_at")).null();
    writer.key(key!("id")).unsigned(number(aggregate));
    writer.key(key!("name")).string(&aggregate.name).key(key!("updated_at"));
    match aggregate.updated_at {
        Some(changed) => writer.plain(|out| time::write_micros(out, changed)),
        None => writer.null(),
    };
    if context.since(41) || context.rules.aggregate_uuid_always {
        writer.key(key!("uuid")).string(&aggregate.uuid);
    }
    if with_hosts {
        writer.key(key!("hosts")).strings(&aggregate.nodes);
        writer.key(key!("metadata")).string_map(zone.iter().chain(&aggregate.metadata));
    }
    writer.end_object();
}
