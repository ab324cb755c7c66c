//! A new system disk for a server, from its image or another one.

use skyloom_sdk::cloud::compute::{PasswordChoice, Server, ServerRebuild, ServerRebuilt, VmState};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::servers::Row;
use skyloom_sdk::{Cloud, Error, ErrorCode, key, respond};

use super::actions::refusal;
use super::create::user_data;
use super::{fetch, hosts_up, names, view};
use crate::attributes::Attributes;
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::unsupported::refuse;
use crate::views::server::{Rebuilt, View, size, write};

pub const REBUILD: &str = "servers.rebuild";

pub fn rebuild<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("rebuild")?;
    let fields = Fields::new(&body, &["rebuild"]);
    refuse_what_has_no_capability(&fields)?;
    let server = fetch(context, &["attributes"])?;
    let wanted = read(context, &fields, &server)?;
    let id = context.param("server_id");
    let rebuilt = context.cloud.rebuild_server(id, &wanted).map_err(|error| refused(context, id, error))?;
    answer(context, &rebuilt)
}

/// What a face may refuse of a rebuild by what the server is; the core does the rest.
fn check<C>(context: &Context<'_, C>, server: &Server, image_id: &str) -> Result<(), Fault> {
    if server.vm_state == VmState::Error && context.rules.error_is_not_rebuilt {
        let id = &server.id;
        return Err(Fault::new(409, format!("Cannot 'rebuild' instance {id} while it is in vm_state error")));
    }
    // The disk of such a server is the user's volume, which older versions promise to leave as it is.
    if Attributes::read(&server.attributes).from_volume && !context.since(93) {
        return Err(Fault::bad_request(if server.image_id.as_deref() == Some(image_id) {
            "Unable to rebuild a volume-backed server before microversion 2.93."
        } else {
            "Unable to rebuild with a different image for a volume-backed server."
        }));
    }
    Ok(())
}

fn read<C: Cloud>(context: &Context<'_, C>, fields: &Fields<'_>, server: &Server) -> Result<ServerRebuild, Fault> {
    // The id, or the end of the image's address as old clients send it.
    let image = fields.str("imageRef")?;
    let image_id = image.rsplit('/').next().unwrap_or(image);
    check(context, server, image_id)?;
    let given = |name: &str, since: u32| fields.has(name) && context.since(since);
    let ignored = |name: &str| context.rules.without_effect.contains(&name);
    let description = if given("description", 19) {
        let description = fields.optional_str("description")?;
        names::check_description(description, context.rules.create_description, context.rules.not_in_description)?;
        Some(description.map(str::to_owned))
    } else {
        None
    };
    let name = match fields.optional_str("name")? {
        Some(name) => Some(names::checked(context, name, context.rules.names.longest.max(255))?),
        None => None,
    };
    let key_name = if given("key_name", 54) { Some(fields.optional_str("key_name")?.map(str::to_owned)) } else { None };
    let new_user_data = if given("user_data", 57) { Some(user_data(context, fields)?) } else { None };
    let hostname = if given("hostname", 90) { fields.optional_str("hostname")?.map(str::to_owned) } else { None };
    let attributes = fields.optional_str("OS-DCF:diskConfig")?.map(|disk_config| {
        Attributes { disk_config: Some(disk_config.into()), ..Attributes::read(&server.attributes) }.write()
    });
    Ok(ServerRebuild {
        image_id: Some(image_id.to_owned()),
        name,
        description,
        hostname,
        metadata: fields.optional_pairs("metadata")?,
        access_ipv4: fields.optional_str("accessIPv4")?.map(str::to_owned),
        access_ipv6: fields.optional_str("accessIPv6")?.map(str::to_owned),
        key_name,
        // As upstream has it: of the user who made the server, whoever asks.
        key_user_id: None,
        user_data: new_user_data,
        admin_password: match fields.optional_str("adminPass")? {
            _ if ignored("rebuild.adminPass") => PasswordChoice::Keep,
            Some(password) => PasswordChoice::Given(password.to_owned()),
            None => PasswordChoice::Generate,
        },
        attributes,
    })
}

/// The flavor's other disks stay, whatever `preserve_ephemeral` says.
fn refuse_what_has_no_capability(fields: &Fields<'_>) -> Result<(), Fault> {
    for name in ["personality", "trusted_image_certificates"] {
        if fields.optional_array(name)?.is_some_and(|given| !given.is_empty()) {
            return Err(refuse(REBUILD, name));
        }
    }
    Ok(())
}

/// In Nova's words.
fn refused<C: Cloud>(context: &Context<'_, C>, id: &str, error: Error) -> Fault {
    let kind = error.resource.as_ref().map(|(kind, _)| kind.as_str()).unwrap_or_default();
    match (&error.code, kind, error.reason.as_deref()) {
        (ErrorCode::NotFound, "image", _) => Fault::bad_request("Cannot find image for rebuild"),
        // Below a reason the core's message says it all.
        (ErrorCode::Invalid, _, Some("disk-too-small")) => Fault::bad_request(error.message),
        _ => refusal(context, id, "rebuild", error),
    }
}

fn answer<C: Cloud>(context: &Context<'_, C>, rebuilt: &ServerRebuilt) -> Answer {
    let hosts = hosts_up(context)?;
    let server = Row::from(&rebuilt.server);
    let mut writer = Writer::with_capacity(size(&server));
    writer.begin_object().key(key!("server"));
    let shown = View {
        whole: context.since(75),
        rebuilt: Some(Rebuilt { admin_password: &rebuilt.admin_password }),
        ..view(context, hosts.as_deref(), true)
    };
    write(&mut writer, &server, &shown);
    writer.end_object();
    let location = format!("{}/servers/{}", context.links.own, server.id);
    Ok(respond::with_header(respond::json(202, writer.finish()), "Location", location))
}
