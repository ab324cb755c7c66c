//! `networks` of a new server.

use serde_json::Value;
use skyloom_sdk::Cloud;
use skyloom_sdk::cloud::compute::{NetworkChoice, NicRequest};
use skyloom_sdk::json::Fields;
use skyloom_sdk::lenient::is_uuid;

use crate::context::Context;
use crate::errors::Fault;
use crate::violations::{of_field, python};

/// The choice, and the tag of each interface.
pub fn read<C: Cloud>(
    context: &Context<'_, C>,
    value: Option<&Value>,
) -> Result<(NetworkChoice, Vec<Option<String>>), Fault> {
    match value {
        None | Some(Value::Null) if context.since(37) => {
            Err(Fault::bad_request("Invalid input for field/attribute server. 'networks' is a required property"))
        }
        None | Some(Value::Null) => Ok((NetworkChoice::Automatic, Vec::new())),
        Some(Value::Array(items)) if items.is_empty() => Ok((NetworkChoice::Automatic, Vec::new())),
        Some(Value::String(word)) if context.since(37) && word == "auto" => Ok((NetworkChoice::Automatic, Vec::new())),
        Some(Value::String(word)) if context.since(37) && word == "none" => Ok((NetworkChoice::None, Vec::new())),
        Some(Value::Array(items)) => read_list(context, items),
        Some(other) => {
            // A word at most: what else stands there is the schema's matter.
            let shown = if other.is_string() { other.clone() } else { Value::Null };
            let message = format!("{} is not valid under any of the given schemas", python(&shown));
            Err(Fault::bad_request(of_field("networks", &shown, &message)))
        }
    }
}

fn read_list<C: Cloud>(
    context: &Context<'_, C>,
    items: &[Value],
) -> Result<(NetworkChoice, Vec<Option<String>>), Fault> {
    let mut nics: Vec<NicRequest> = Vec::with_capacity(items.len());
    let mut tags = Vec::with_capacity(items.len());
    for item in items {
        let Value::Object(item) = item else { return Err(Fault::bad_request("Bad networks format")) };
        let fields = Fields::new(item, &["server", "networks"]);
        let tag = fields.optional_str("tag")?;
        if tag.is_some() && !(context.since(42) || (32..37).contains(&context.minor)) {
            return Err(Fault::bad_request("Additional properties are not allowed ('tag' was unexpected)"));
        }
        let nic = read_nic(context, &fields)?;
        if let Some(port) = &nic.port_id
            && nics.iter().any(|other| other.port_id.as_ref() == Some(port))
        {
            return Err(Fault::bad_request(format!(
                "Port ID '{port}' was specified twice: you cannot attach a port multiple times."
            )));
        }
        nics.push(nic);
        tags.push(tag.map(str::to_owned));
    }
    if tags.iter().all(Option::is_none) {
        tags.clear();
    }
    Ok((NetworkChoice::Nics(nics), tags))
}

/// A port wins over a network; an address needs a network.
fn read_nic<C>(context: &Context<'_, C>, fields: &Fields<'_>) -> Result<NicRequest, Fault> {
    let address = fields.optional_str("fixed_ip")?;
    if let Some(address) = address
        && address.parse::<std::net::IpAddr>().is_err()
    {
        return Err(Fault::bad_request(format!(
            "Invalid input for field/attribute fixed_ip. Value: '{address}'. '{address}' is not a 'ipv4'"
        )));
    }
    let subnet = fields.optional_str("subnet_id")?;
    if subnet.is_some() && !context.rules.nic_subnets && !context.legacy {
        return Err(Fault::bad_request("Additional properties are not allowed ('subnet_id' was unexpected)"));
    }
    let subnet_id = subnet.filter(|_| context.rules.nic_subnets).map(str::to_owned);
    let empty = NicRequest { port_id: None, network_id: None, subnet_id: None, address: None, security_groups: None };
    if let Some(port) = fields.optional_str("port")? {
        if let Some(address) = address {
            return Err(Fault::bad_request(format!(
                "Specified Fixed IP '{address}' cannot be used with port '{port}': the two cannot be specified together."
            )));
        }
        return Ok(NicRequest { port_id: Some(port.to_owned()), ..empty });
    }
    let Some(network) = fields.optional_str("uuid")? else {
        return Err(Fault::bad_request("Bad network format: missing 'uuid'"));
    };
    if !is_uuid(network) {
        return Err(Fault::bad_request(format!(
            "Bad networks format: network uuid is not in proper format ({network})"
        )));
    }
    Ok(NicRequest { network_id: Some(network.to_owned()), subnet_id, address: address.map(str::to_owned), ..empty })
}
