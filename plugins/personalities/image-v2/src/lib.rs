//! Image v2 (Glance's API) over the core's images. The bytes go between client and host; this plugin only names them.

mod errors;
mod filters;
mod images;
mod import;
mod patch;
mod schemas;
mod transfer;
mod versions;
mod views;

pub use errors::Fault;

use skyloom_sdk::{Images, Imports, Personality, Request, Response};

/// The component.
#[derive(Debug)]
pub struct ImageV2;

impl Personality for ImageV2 {
    fn handle(request: Request) -> Response {
        handle(&Imports, request)
    }
}

skyloom_sdk::personality!(ImageV2);

/// What an operation gives: an answer, or a fault that becomes one.
type Answer = Result<Response, Fault>;

/// Answers one request; natively over any core.
#[allow(clippy::needless_pass_by_value)]
pub fn handle<C: Images>(cloud: &C, request: Request) -> Response {
    dispatch(cloud, &request).unwrap_or_else(|fault| fault.of(&request).response(&request))
}

fn dispatch<C: Images>(cloud: &C, request: &Request) -> Answer {
    match request.operation.as_str() {
        "versions.list" => Ok(versions::list(request)),
        "schemas.show" => schemas::show(request),
        "images.list" => images::list(cloud, request),
        "images.create" => images::create(cloud, request),
        "images.show" => images::show(cloud, request),
        "images.update" => images::update(cloud, request),
        "images.delete" => images::delete(cloud, request),
        "images.upload" => transfer::upload(cloud, request),
        "images.download" => transfer::download(cloud, request),
        "images.deactivate" => images::set_active(cloud, request, false),
        "images.reactivate" => images::set_active(cloud, request, true),
        "tags.add" => images::add_tag(cloud, request),
        "tags.remove" => images::remove_tag(cloud, request),
        "members.list" | "members.create" | "members.show" | "members.update" | "members.delete" => {
            images::members(cloud, request)
        }
        "images.import" => import::import(cloud, request),
        "info.import" => import::info(cloud),
        // Words of upstream for a site with one place for bytes.
        "info.stores" => Err(Fault::new(404, "Multi backend is not supported at this site.")),
        // Tasks are for administrators and retired upstream; there is none here.
        "tasks.list" => Err(Fault::new(404, "Tasks are not supported at this site.")),
        other => Err(Fault::new(404, format!("The operation {other} could not be found."))),
    }
}
