//! Network cards that come to a server and leave it.

use std::net::IpAddr;

use serde_json::{Map, Value};
use skyloom_sdk::cloud::compute::NicRequest;
use skyloom_sdk::{Cloud, Error, ErrorCode, respond};

use super::actions::refusal;
use super::{fetch, parts};
use crate::context::{Answer, Context};
use crate::errors::Fault;

/// Answered as soon as the card has its port; the guest gets it after.
pub fn attach<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("interfaceAttachment")?;
    if body.get("tag").is_some_and(|tag| !tag.is_null()) {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute tag. Tagged network interface attachment is not supported for this server \
             instance.",
        ));
    }
    let nic = wanted(&body)?;
    let id = context.param("server_id");
    let attached = context.cloud.attach_nics(id, &[nic], false);
    let attached = attached.map_err(|error| refused(context, id, "attach_interface", error))?;
    let port = attached.port_ids.first().map_or("", String::as_str);
    parts::interface_of(context, port)
}

/// A card that names nothing is on the project's only network.
fn wanted(body: &Map<String, Value>) -> Result<NicRequest, Fault> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (network_id, port_id) = (text("net_id"), text("port_id"));
    if network_id.is_some() && port_id.is_some() {
        return Err(Fault::bad_request(
            "Must not input both network_id and port_id: net_id and port_id exclude each other.",
        ));
    }
    let address = address(body.get("fixed_ips"))?;
    if address.is_some() && network_id.is_none() {
        return Err(Fault::bad_request(
            "Must input network_id when request IP address: fixed_ips goes with net_id alone.",
        ));
    }
    Ok(NicRequest { port_id, network_id, subnet_id: None, address, security_groups: None })
}

fn address(fixed_ips: Option<&Value>) -> Result<Option<String>, Fault> {
    let fixed = match fixed_ips {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(fixed)) => fixed,
        Some(_) => return Err(Fault::invalid_type("fixed_ips", "array")),
    };
    let [only] = fixed.as_slice() else {
        return Err(Fault::bad_request("Invalid input for field/attribute fixed_ips. One address is given, no more."));
    };
    let address = only.get("ip_address").and_then(Value::as_str).unwrap_or_default();
    if address.parse::<IpAddr>().is_err() {
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute ip_address. Value: '{address}'. '{address}' is neither an 'ipv4' nor an 'ipv6'"
        )));
    }
    Ok(Some(address.to_owned()))
}

pub fn detach<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, port) = (context.param("server_id"), context.param("port_id"));
    if context.rules.primary_interface_stays {
        let server = fetch(context, &["nics"])?;
        if server.nics.first().is_some_and(|nic| nic.port_id == port) {
            return Err(Fault::new(
                403,
                format!("The interface {port} is the primary one of instance {id}, which stays."),
            ));
        }
    }
    let detached = context.cloud.detach_nics(id, &[port.to_owned()]);
    detached.map_err(|error| refused(context, id, "detach_interface", error))?;
    Ok(respond::empty(202))
}

/// In Nova's words.
fn refused<C: Cloud>(context: &Context<'_, C>, id: &str, word: &str, error: Error) -> Fault {
    let resource = error.resource.as_ref().map(|(kind, id)| (kind.as_str(), id.as_str()));
    match (&error.code, error.field.as_deref()) {
        (ErrorCode::NotFound, _) if resource.is_some_and(|(kind, _)| kind == "network") => {
            Fault::not_found(format!("Network {} could not be found.", resource.map_or("", |(_, id)| id)))
        }
        (ErrorCode::NotFound, _) if resource.is_some_and(|(kind, _)| kind != "server") => error.into(),
        (ErrorCode::Invalid, Some("address")) => {
            let field = if error.reason.as_deref() == Some("missing") { "net_id" } else { "fixed_ips" };
            Fault::bad_request(format!("Invalid input for field/attribute {field}. {}", error.message))
        }
        // Several networks are there: upstream wants one named.
        (ErrorCode::WrongState, Some("networks")) => Fault::bad_request(error.message),
        (ErrorCode::AddressInUse, _) => Fault::new(409, error.message),
        _ => refusal(context, id, word, error),
    }
}
