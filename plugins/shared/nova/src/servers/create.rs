//! New servers.

use serde_json::{Map, Value};
use skyloom_sdk::cloud::compute::{OnFailure, PasswordChoice, ServerCreate, ServerCreated};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::lenient::{boolean, count, is_uuid};
use skyloom_sdk::{Cloud, Error, ErrorCode, base64, key, respond};

use super::{disks, names, networks};
use crate::attributes::Attributes;
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::unsupported::{is_listed, refuse};
use crate::violations::{of_field, python};

pub const CREATE: &str = "servers.create";

/// What the request said beside what the core is told.
struct Wanted {
    create: ServerCreate,
    reservation_only: bool,
    /// `security_groups` of the request, for the answer.
    groups: Vec<String>,
    disk_config: String,
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    create_after(context, |_| Ok(()))
}

/// A creation of which the face itself has something to say before the core does.
pub fn create_after<C: Cloud>(
    context: &Context<'_, C>,
    check: impl FnOnce(&ServerCreate) -> Result<(), Fault>,
) -> Answer {
    let mut body = context.body()?;
    let hints = hints(context, &body)?;
    let Some(Value::Object(server)) = body.remove("server") else {
        return Err(Fault::bad_request("'server' is a required property"));
    };
    let wanted = read(context, &server, hints)?;
    check(&wanted.create)?;
    let created = context.cloud.create_servers(&wanted.create).map_err(|error| refusal(&wanted.create, error))?;
    answer(context, &wanted, &created)
}

fn read<C: Cloud>(context: &Context<'_, C>, server: &Map<String, Value>, hints: Hints) -> Result<Wanted, Fault> {
    let fields = Fields::new(server, &["server"]);
    refuse_what_has_no_capability(&fields)?;
    let (min_count, max_count) = counts(&fields)?;
    let names = names::of_new_servers(context, fields.str("name")?, max_count)?;
    let mut disks = disks::read(context, server, max_count)?;
    let (networks, nic_tags) = networks::read(context, fields.value("networks"))?;
    let place = place(context, &fields)?;
    let hostname = if context.since(90) { fields.optional_str("hostname")? } else { None };
    if hostname.is_some() && max_count > 1 {
        return Err(Fault::bad_request("Unable to allocate a single hostname to multiple instances"));
    }
    let groups = groups(&fields)?;
    let disk_config = fields.optional_str("OS-DCF:diskConfig")?;
    let attributes = Attributes {
        disk_config: disk_config.map(Into::into),
        zone: place.zone.as_deref().map(Into::into),
        from_volume: disks.root.is_some(),
        nic_tags,
        disk_tags: std::mem::take(&mut disks.tags),
        hints: hints.kept,
    };
    let create = ServerCreate {
        min_count,
        description: description(context, &fields, &names)?,
        flavor_id: flavor_of(fields.value("flavorRef"))?,
        key_name: fields.optional_str("key_name")?.map(str::to_owned),
        hostname: hostname.map(str::to_owned),
        networks,
        security_groups: groups.clone(),
        disks: disks.list(),
        public_address: None,
        group_id: hints.group_id,
        user_data: user_data(context, &fields)?,
        config_drive: config_drive(context, &fields)?,
        admin_password: match fields.optional_str("adminPass")? {
            Some(password) => PasswordChoice::Given(password.to_owned()),
            None => PasswordChoice::Generate,
        },
        metadata: fields.optional_pairs("metadata")?.unwrap_or_default(),
        tags: tags(context, &fields)?,
        access_ipv4: fields.optional_str("accessIPv4")?.unwrap_or_default().to_owned(),
        access_ipv6: fields.optional_str("accessIPv6")?.unwrap_or_default().to_owned(),
        on_failure: OnFailure::Keep,
        dry_run: false,
        as_batch: false,
        attributes: attributes.write(),
        zone: place.zone,
        node: place.node,
        names,
    };
    let reservation_only = fields.value("return_reservation_id").is_some_and(|value| boolean(value) == Some(true));
    Ok(Wanted { create, reservation_only, groups, disk_config: disk_config.unwrap_or("MANUAL").to_owned() })
}

fn refuse_what_has_no_capability(fields: &Fields<'_>) -> Result<(), Fault> {
    if fields.optional_array("personality")?.is_some_and(|files| !files.is_empty()) {
        return Err(refuse(CREATE, "personality"));
    }
    if fields.optional_array("trusted_image_certificates")?.is_some_and(|ids| !ids.is_empty()) {
        return Err(refuse(CREATE, "trusted_image_certificates"));
    }
    Ok(())
}

fn counts(fields: &Fields<'_>) -> Result<(u32, u32), Fault> {
    const MOST: u32 = 500;
    let read = |name: &str| match fields.value(name) {
        None => Ok(None),
        Some(value) => count(value).filter(|number| *number > 0).map(Some).ok_or_else(|| {
            let wrong = format!("{} is less than the minimum of 1", python(value));
            Fault::bad_request(of_field(name, value, &wrong))
        }),
    };
    let min = read("min_count")?.unwrap_or(1);
    let max = read("max_count")?.unwrap_or(min);
    if min > max {
        return Err(Fault::bad_request("min_count must be <= max_count"));
    }
    if max > MOST {
        return Err(Fault::bad_request(format!("At most {MOST} servers can be created at once")));
    }
    Ok((min, max))
}

/// The id, or the end of the flavor's address as old clients send it.
pub fn flavor_of(value: Option<&Value>) -> Result<String, Fault> {
    match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.rsplit('/').next().unwrap_or(text).to_owned()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(_) => Err(Fault::bad_request("Invalid flavorRef provided.")),
        None => Err(Fault::bad_request("'flavorRef' is a required property")),
    }
}

/// Before 2.19 a server's name is its description.
fn description<C>(context: &Context<'_, C>, fields: &Fields<'_>, names: &[String]) -> Result<Option<String>, Fault> {
    if !context.since(19) {
        if fields.has("description") && !context.legacy {
            return Err(Fault::bad_request("Additional properties are not allowed ('description' was unexpected)"));
        }
        return Ok(names.first().cloned());
    }
    let description = fields.optional_str("description")?;
    names::check_description(description, context.rules.create_description, context.rules.not_in_description)?;
    Ok(description.map(str::to_owned))
}

fn groups(fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    let mut groups: Vec<String> = Vec::new();
    for group in fields.optional_array("security_groups")?.unwrap_or_default() {
        let name = group.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let Some(name) = name else { return Err(Fault::bad_request("A security group needs a name")) };
        if !groups.iter().any(|known| known == name) {
            groups.push(name.to_owned());
        }
    }
    Ok(groups)
}

pub(super) fn user_data<C>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    const LONGEST: usize = 65_535;
    let Some(text) = fields.optional_str("user_data")? else { return Ok(None) };
    let Some(length) = base64::length(text) else {
        return Err(Fault::bad_request("Invalid input for field/attribute user_data. It is not a 'base64'"));
    };
    if text.len() > LONGEST || context.rules.user_data.is_some_and(|longest| length > longest) {
        return Err(Fault::bad_request("Invalid input for field/attribute user_data. It is too long"));
    }
    Ok(Some(text.to_owned()))
}

fn config_drive<C>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<bool, Fault> {
    let wanted = match fields.value("config_drive") {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) if text.is_empty() => false,
        Some(value) => boolean(value).ok_or_else(|| Fault::bad_request("Invalid config_drive provided."))?,
    };
    Ok(wanted && !context.rules.without_effect.contains(&"config_drive"))
}

fn tags<C>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    if !context.since(52) {
        return Ok(Vec::new());
    }
    match fields.value("tags") {
        None | Some(Value::Null) => Ok(Vec::new()),
        given => super::tags::read(context, given),
    }
}

struct Place {
    zone: Option<String>,
    node: Option<String>,
}

/// `zone`, `zone:host`, `zone:host:node` and `zone::node`; from 2.74 on `host` and `hypervisor_hostname`. A host is a node here.
fn place<C: Cloud>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<Place, Fault> {
    let text = fields.optional_str("availability_zone")?.unwrap_or_default();
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(Fault::bad_request("Unable to parse availability_zone"));
    }
    let part = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
    let forced = one_node(part(1), part(2))?;
    let named = if context.since(74) {
        one_node(fields.optional_str("host")?, fields.optional_str("hypervisor_hostname")?)?
    } else {
        None
    };
    if forced.is_some() && named.is_some() {
        return Err(Fault::bad_request(
            "One mechanism with host and/or hypervisor_hostname and another mechanism with zone:host:node are mutually exclusive.",
        ));
    }
    let node = forced.or(named);
    if node.is_some() && !context.rules.hosts_may_be_chosen {
        return Err(Fault::bad_request("A host cannot be chosen for a server that is created from an image"));
    }
    Ok(Place { zone: part(0).map(str::to_owned), node })
}

fn one_node(host: Option<&str>, node: Option<&str>) -> Result<Option<String>, Fault> {
    match (host, node) {
        (Some(host), Some(node)) if host != node => {
            Err(Fault::bad_request(format!("Compute host {host} has no hypervisor {node}.")))
        }
        (host, node) => Ok(host.or(node).map(str::to_owned)),
    }
}

/// What the scheduler hints say.
struct Hints {
    /// The server group whose policy places the server.
    group_id: Option<String>,
    /// Those without effect.
    kept: Option<Value>,
}

/// Hints that placement can't follow are refused; those that the dialect lists and those that nobody knows are kept.
fn hints<C>(context: &Context<'_, C>, body: &Map<String, Value>) -> Result<Hints, Fault> {
    let mut hints = match body.get("os:scheduler_hints").or_else(|| body.get("OS-SCH-HNT:scheduler_hints")) {
        None | Some(Value::Null) => return Ok(Hints { group_id: None, kept: None }),
        Some(Value::Object(hints)) => hints.clone(),
        Some(_) => return Err(Fault::invalid_type("os:scheduler_hints", "object")),
    };
    let group_id = hints.remove("group").map(group_of).transpose()?;
    for (name, value) in &hints {
        if context.rules.hints_without_effect.contains(&name.as_str()) {
            continue;
        }
        let what = match (name.as_str(), value.as_str()) {
            ("tenancy", Some("shared")) => continue,
            ("tenancy", _) => "os:scheduler_hints.tenancy dedicated".to_owned(),
            _ => format!("os:scheduler_hints.{name}"),
        };
        if is_listed(CREATE, &what) {
            return Err(refuse(CREATE, &what));
        }
    }
    Ok(Hints { group_id, kept: (!hints.is_empty()).then_some(Value::Object(hints)) })
}

fn group_of(hint: Value) -> Result<String, Fault> {
    match hint {
        Value::String(id) if is_uuid(&id) => Ok(id),
        other => Err(Fault::bad_request(of_field("group", &other, &format!("{} is not a 'uuid'", python(&other))))),
    }
}

/// What is wrong with a reference in the body is a bad request, not a missing resource.
fn refusal(create: &ServerCreate, error: Error) -> Fault {
    let kind = error.resource.as_ref().map(|(kind, _)| kind.as_str()).unwrap_or_default();
    match (&error.code, kind) {
        (ErrorCode::NotFound, "image") => Fault::bad_request("Can not find requested image"),
        (ErrorCode::NotFound, "volume" | "snapshot") => {
            let (kind, id) = error.resource.unwrap_or_default();
            Fault::bad_request(format!("Block Device Mapping is Invalid: failed to get {kind} {id}."))
        }
        // Upstream's 400, where the core sees a conflict.
        (ErrorCode::WrongState | ErrorCode::Busy, "volume" | "snapshot") => {
            Fault::bad_request(format!("Block Device Mapping is Invalid: {}", error.message))
        }
        (ErrorCode::Invalid, "volume" | "snapshot") if error.reason.as_deref() == Some("not-bootable") => {
            let id = error.resource.map(|(_, id)| id).unwrap_or_default();
            Fault::bad_request(format!("Block Device {id} is not bootable."))
        }
        (ErrorCode::NotFound, "keypair" | "key-pair") => Fault::bad_request("Invalid key_name provided."),
        (ErrorCode::NotFound, "flavor") => {
            Fault::bad_request(format!("Flavor {} could not be found.", create.flavor_id))
        }
        (ErrorCode::NotFound, "security-group") => {
            let name = error.resource.map(|(_, name)| name).unwrap_or_default();
            Fault::bad_request(format!("Unable to find security_group with name or id '{name}'"))
        }
        (ErrorCode::NotFound, _) => Fault::bad_request(Fault::from(error).message),
        _ => of_interface(error).into(),
    }
}

/// The core speaks of an interface's address whatever it was asked for by; the body has a name for each.
fn of_interface(error: Error) -> Error {
    let field = match (error.field.as_deref(), error.reason.as_deref()) {
        (Some("address"), Some("unknown")) => "subnet-id",
        (Some("address"), Some("missing")) => "uuid",
        (Some("address"), _) => "fixed-ip",
        _ => return error,
    };
    Error { field: Some(field.to_owned()), ..error }
}

fn answer<C>(context: &Context<'_, C>, wanted: &Wanted, created: &ServerCreated) -> Answer {
    let mut writer = Writer::with_capacity(1024);
    if wanted.reservation_only {
        writer.begin_object().key(key!("reservation_id")).string(&created.reservation_id).end_object();
        return Ok(respond::json(202, writer.finish()));
    }
    let Some(id) = created.server_ids.first() else {
        return Err(Fault::new(500, "The creation was accepted without a server."));
    };
    writer.begin_object().key(key!("server")).begin_object();
    writer.key(key!("id")).string(id);
    context.links.write(&mut writer, "/servers/", id);
    writer.key(key!("OS-DCF:diskConfig")).string(&wanted.disk_config);
    writer.key(key!("security_groups")).begin_array();
    let default = ["default".to_owned()];
    for name in if wanted.groups.is_empty() { &default[..] } else { &wanted.groups[..] } {
        writer.begin_object().key(key!("name")).string(name).end_object();
    }
    writer.end_array();
    writer.key(key!("adminPass")).string(&created.admin_password);
    writer.end_object().end_object();
    let location = format!("{}/servers/{id}", context.links.own);
    Ok(respond::with_header(respond::json(202, writer.finish()), "Location", location))
}
