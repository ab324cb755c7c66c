//! Another flavor for a server: resize, its confirmation, the way back.

use serde_json::Value;
use skyloom_sdk::cloud::compute::ServerUpdate;
use skyloom_sdk::{Cloud, Error, ErrorCode, respond};

use super::actions::{act, refusal};
use super::create::flavor_of;
use super::fetch;
use crate::attributes::Attributes;
use crate::context::{Answer, Context};
use crate::errors::{Fault, of_server};

pub fn resize<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("resize")?;
    let flavor = flavor_of(body.get("flavorRef"))?;
    let mut options = vec![("flavor-id".to_owned(), flavor.clone())];
    if context.rules.resizes_are_final {
        options.push(("confirmed".to_owned(), "true".to_owned()));
    }
    let id = context.param("server_id");
    context
        .cloud
        .act_on_servers(&[id.to_owned()], "resize", &options, false, true)
        .map_err(|error| refused(context, id, &flavor, error))?;
    if let Some(disk_config) = body.get("OS-DCF:diskConfig").and_then(Value::as_str) {
        keep_disk_config(context, id, disk_config)?;
    }
    Ok(respond::empty(202))
}

pub fn confirm<C: Cloud>(context: &Context<'_, C>) -> Answer {
    act(context, "confirm-resize", &[], "confirmResize")?;
    Ok(respond::empty(204))
}

pub fn revert<C: Cloud>(context: &Context<'_, C>) -> Answer {
    act(context, "revert-resize", &[], "revertResize")
}

/// In Nova's words.
fn refused<C: Cloud>(context: &Context<'_, C>, id: &str, flavor: &str, error: Error) -> Fault {
    let of_flavor = error.resource.as_ref().is_some_and(|(kind, _)| kind == "flavor");
    match (&error.code, error.reason.as_deref()) {
        (ErrorCode::NotFound, _) if of_flavor => Fault::bad_request(format!("Flavor {flavor} could not be found.")),
        (ErrorCode::Invalid, Some("unchanged")) => Fault::bad_request("When resizing, instances must change flavor!"),
        (ErrorCode::Invalid, Some("disk-too-small")) => {
            Fault::bad_request(format!("Server disk was unable to be resized because: {}", error.message))
        }
        _ => refusal(context, id, "resize", error),
    }
}

fn keep_disk_config<C: Cloud>(context: &Context<'_, C>, id: &str, disk_config: &str) -> Result<(), Fault> {
    let server = fetch(context, &["attributes"])?;
    let attributes = Attributes { disk_config: Some(disk_config.into()), ..Attributes::read(&server.attributes) };
    let update = ServerUpdate {
        name: None,
        description: None,
        hostname: None,
        access_ipv4: None,
        access_ipv6: None,
        attributes: Some(attributes.write()),
    };
    context.cloud.update_server(id, &update).map(drop).map_err(of_server(id))
}
