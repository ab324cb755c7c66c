//! What the vendor's document asks of a new server beyond upstream.

use ecs_rules::sale;
use skyloom_sdk::cloud::compute::{PasswordChoice, ServerCreate};
use skyloom_sdk::{Cloud, ErrorCode};

use super::create::CREATE;
use crate::context::Context;
use crate::errors::Fault;
use crate::unsupported::refuse;

/// What is missing here the core refuses by itself.
pub fn check<C: Cloud>(context: &Context<'_, C>, create: &ServerCreate) -> Result<(), Fault> {
    let rules = context.rules();
    if rules.sale_states
        && let Ok(flavor) = context.cloud.get_flavor(&create.flavor_id)
    {
        let state = sale::state(&flavor.extra_specs, create.zone.as_deref());
        if !sale::is_sold(state) {
            return Err(Fault::bad_request(format!("Flavor {} is not sold there: its state is {state}.", flavor.id)));
        }
    }
    if let (Some(longest), Some(name)) = (rules.injected_key, &create.key_name)
        && let Ok(keypair) = context.cloud.get_keypair(name, None)
        && keypair.public_key.len() > longest
    {
        return Err(Fault::bad_request(format!(
            "Invalid key_name provided: a public key of more than {longest} bytes can't be injected."
        )));
    }
    if rules.image_kinds { image(context, create) } else { Ok(()) }
}

/// Images of whole servers are for the vendor's other call; a Windows guest takes its password from the metadata only.
fn image<C: Cloud>(context: &Context<'_, C>, create: &ServerCreate) -> Result<(), Fault> {
    let properties = match create.image_id.as_ref().map(|id| context.cloud.get_image(id)) {
        Some(Ok(image)) => image.properties,
        Some(Err(error)) if error.code != ErrorCode::NotFound => return Err(error.into()),
        _ => Vec::new(),
    };
    if ecs_rules::is_full_server(&properties) {
        return Err(Fault::bad_request("Full-ECS images are not supported; use POST /v1/{project_id}/cloudservers."));
    }
    let windows = ecs_rules::is_windows(&properties);
    if create.metadata.iter().any(|(key, _)| key == ecs_rules::WINDOWS_PASSWORD) {
        return Err(refuse(
            CREATE,
            if windows { "metadata.admin_pass (Windows image)" } else { "metadata.admin_pass" },
        ));
    }
    if windows && matches!(create.admin_password, PasswordChoice::Given(_)) {
        return Err(Fault::bad_request("metadata.admin_pass is required for a Windows server with password login."));
    }
    Ok(())
}
