//! The vendor's rule that a server made from an image stays with its kind of resources.

use nova::context::{Answer, Context};
use nova::errors::Fault;
use nova::servers;
use skyloom_sdk::Cloud;

/// The extra specification of flavors that names the kind.
const KIND: &str = "resource_type";

/// Resizes to a flavor of the same kind.
pub fn resize<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("resize")?;
    let flavor = servers::create::flavor_of(body.get("flavorRef"))?;
    let server = servers::fetch(context, &[])?;
    let kind = |specs: &[(String, String)]| specs.iter().find(|(name, _)| name == KIND).map(|(_, kind)| kind.clone());
    // One that isn't there is the core's to refuse.
    if let (Some(_), Ok(wanted)) = (&server.image_id, context.cloud.get_flavor(&flavor)) {
        let (now, then) = (kind(&server.flavor.extra_specs), kind(&wanted.extra_specs));
        if now != then {
            let named = |kind: Option<String>| kind.unwrap_or_else(|| "none".to_owned());
            return Err(Fault::bad_request(format!(
                "flavorRef: the {KIND} of instance {} is {}, that of flavor {flavor} {}.",
                server.id,
                named(now),
                named(then)
            )));
        }
    }
    servers::sizes::resize(context)
}
