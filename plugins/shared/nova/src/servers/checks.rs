//! What a face asks of a new server beyond Nova: of its flavor, its key, its image.

use skyloom_sdk::cloud::compute::ServerCreate;
use skyloom_sdk::{Cloud, ErrorCode};

use crate::context::Context;
use crate::errors::Fault;

/// What is missing here the core refuses by itself.
pub fn check<C: Cloud>(context: &Context<'_, C>, create: &ServerCreate) -> Result<(), Fault> {
    let rules = context.rules;
    if let Some(check) = rules.flavor
        && let Ok(flavor) = context.cloud.get_flavor(&create.flavor_id)
        && let Some(fault) = check(&flavor, create.zone.as_deref())
    {
        return Err(fault);
    }
    if let (Some(longest), Some(name)) = (rules.injected_key, &create.key_name)
        && let Ok(keypair) = context.cloud.get_keypair(name, None)
        && keypair.public_key.len() > longest
    {
        return Err(Fault::bad_request(format!(
            "Invalid key_name provided: a public key of more than {longest} bytes can't be injected."
        )));
    }
    let Some(check) = rules.image else { return Ok(()) };
    let properties = match create.image_id.as_ref().map(|id| context.cloud.get_image(id)) {
        Some(Ok(image)) => image.properties,
        Some(Err(error)) if error.code != ErrorCode::NotFound => return Err(error.into()),
        _ => Vec::new(),
    };
    check(create, &properties).map_or(Ok(()), Err)
}
