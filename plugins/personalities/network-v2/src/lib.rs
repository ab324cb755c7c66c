//! Networking v2.0 (Neutron's API) over the core's networks. What upstream serves by an extension that isn't here is refused as
//! upstream refuses it without that extension: unknown paths with 404, unknown attributes with 400.

mod attributes;
mod body;
mod errors;
mod floating_ips;
mod groups;
mod lists;
mod networks;
mod ports;
mod routers;
mod rules;
mod subnets;
mod unset;
mod versions;

pub use errors::Fault;

use skyloom_sdk::{Compute, Imports, Networks, Personality, Request, Response};

/// The component.
#[derive(Debug)]
pub struct NetworkV2;

impl Personality for NetworkV2 {
    fn handle(request: Request) -> Response {
        handle(&Imports, request)
    }
}

skyloom_sdk::personality!(NetworkV2);

/// What an operation gives: an answer, or a fault that becomes one.
type Answer = Result<Response, Fault>;

/// Answers one request; natively over any core.
pub fn handle<C: Networks + Compute>(cloud: &C, mut request: Request) -> Response {
    // Older clients say by the path's end which format they want; there is one.
    for (_, value) in &mut request.params {
        if let Some(length) = value.strip_suffix(".json").map(str::len) {
            value.truncate(length);
        }
    }
    dispatch(cloud, &request).unwrap_or_else(|fault| fault.of(&request).response())
}

fn dispatch<C: Networks + Compute>(cloud: &C, request: &Request) -> Answer {
    match request.operation.as_str() {
        "versions.list" => Ok(versions::list(request)),
        "resources.list" => Ok(versions::resources(request)),
        "extensions.list" => Ok(versions::extensions()),
        "extensions.show" => versions::extension(request),
        "zones.list" => versions::zones(cloud, request),
        "networks.list" => networks::list(cloud, request),
        "networks.show" => networks::show(cloud, request),
        "networks.create" => networks::create(cloud, request),
        "networks.update" => networks::update(cloud, request),
        "networks.delete" => networks::delete(cloud, request),
        "subnets.list" => subnets::list(cloud, request),
        "subnets.show" => subnets::show(cloud, request),
        "subnets.create" => subnets::create(cloud, request),
        "subnets.update" => subnets::update(cloud, request),
        "subnets.delete" => subnets::delete(cloud, request),
        "ports.list" => ports::list(cloud, request),
        "ports.show" => ports::show(cloud, request),
        "ports.create" => ports::create(cloud, request),
        "ports.update" => ports::update(cloud, request),
        "ports.delete" => ports::delete(cloud, request),
        "security-groups.list" => groups::list(cloud, request),
        "security-groups.show" => groups::show(cloud, request),
        "security-groups.create" => groups::create(cloud, request),
        "security-groups.update" => groups::update(cloud, request),
        "security-groups.delete" => groups::delete(cloud, request),
        "security-group-rules.list" => rules::list(cloud, request),
        "security-group-rules.show" => rules::show(cloud, request),
        "security-group-rules.create" => rules::create(cloud, request),
        "security-group-rules.delete" => rules::delete(cloud, request),
        "routers.list" => routers::list(cloud, request),
        "routers.show" => routers::show(cloud, request),
        "floatingips.list" => floating_ips::list(cloud, request),
        "floatingips.show" => floating_ips::show(cloud, request),
        "floatingips.create" => floating_ips::create(cloud, request),
        "floatingips.update" => floating_ips::update(cloud, request),
        "floatingips.delete" => floating_ips::delete(cloud, request),
        other => Err(Fault::new(404, "HTTPNotFound", format!("The operation {other} could not be found."))),
    }
}
