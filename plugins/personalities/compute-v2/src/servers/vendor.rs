//! What the vendor's document asks of a new server beyond upstream.

use skyloom_sdk::Cloud;
use skyloom_sdk::cloud::compute::ServerCreate;

use crate::context::Context;
use crate::errors::Fault;
use crate::flavors::sale;

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
    Ok(())
}
