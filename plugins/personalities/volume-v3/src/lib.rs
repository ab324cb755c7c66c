//! Block Storage v3 (Cinder's API) over the core's volumes and snapshots.

mod errors;
mod lists;
mod metadata;
mod quotas;
mod snapshots;
mod types;
mod versions;
mod volumes;

pub use errors::Fault;

use skyloom_sdk::{Compute, Imports, Personality, Quotas, Request, Response, Volumes};

/// The component.
#[derive(Debug)]
pub struct VolumeV3;

impl Personality for VolumeV3 {
    fn handle(request: Request) -> Response {
        handle(&Imports, &request)
    }
}

skyloom_sdk::personality!(VolumeV3);

/// What an operation gives: an answer, or a fault that becomes one.
type Answer = Result<Response, Fault>;

/// What an operation needs of the core.
pub trait Core: Volumes + Quotas + Compute {}
impl<C: Volumes + Quotas + Compute> Core for C {}

/// Answers one request; natively over any core.
pub fn handle<C: Core>(cloud: &C, request: &Request) -> Response {
    let answer = Fault::of_body(request).map_or_else(|| dispatch(cloud, request), Err);
    answer.unwrap_or_else(|fault| fault.response())
}

fn dispatch<C: Core>(cloud: &C, request: &Request) -> Answer {
    match request.operation.as_str() {
        "versions.list" | "versions.show" => Ok(versions::list(request)),
        "extensions.list" => Ok(versions::extensions()),
        "limits.show" => quotas::limits(cloud),
        "quotas.show" => quotas::show(cloud, request),
        "quotas.defaults" => quotas::defaults(cloud, request),
        "zones.list" => quotas::zones(cloud),
        "types.list" => types::list(cloud),
        "types.show" => types::show(cloud, request),
        "volumes.list" => volumes::list(cloud, request, false),
        "volumes.detail" => volumes::list(cloud, request, true),
        "volumes.create" => volumes::create(cloud, request),
        "volumes.show" => volumes::show(cloud, request),
        "volumes.update" => volumes::update(cloud, request),
        "volumes.delete" => volumes::delete(cloud, request),
        "volumes.extend" => volumes::extend(cloud, request),
        "volumes.set_bootable" => volumes::set_bootable(cloud, request),
        "snapshots.list" => snapshots::list(cloud, request, false),
        "snapshots.detail" => snapshots::list(cloud, request, true),
        "snapshots.create" => snapshots::create(cloud, request),
        "snapshots.show" => snapshots::show(cloud, request),
        "snapshots.update" => snapshots::update(cloud, request),
        "snapshots.delete" => snapshots::delete(cloud, request),
        other => match other.split_once('.') {
            Some((kind, verb)) if verb.starts_with("metadata") => metadata::handle(cloud, request, kind, verb),
            _ => Err(Fault::new(500, format!("operation {other} is not served"))),
        },
    }
}

/// The minor version that the request speaks.
fn minor(request: &Request) -> u32 {
    request.version.map_or(0, |(_, minor)| minor)
}
