//! CloudOS' platform API. What the core doesn't know is kept in collections; the plugin's manifest declares them.

mod envelope;
mod image_types;

use envelope::Fault;
use skyloom_sdk::{Cloud, Imports, Personality, Request, Response};

/// The component.
pub struct CloudOs;

impl Personality for CloudOs {
    fn handle(request: Request) -> Response {
        handle(&Imports, &request)
    }
}

skyloom_sdk::personality!(CloudOs);

/// What an operation answers.
type Answer = Result<Response, Fault>;

/// Answers one request.
pub fn handle<C: Cloud>(cloud: &C, request: &Request) -> Response {
    serve(cloud, request).unwrap_or_else(|fault| fault.response())
}

/// The table of operations.
fn serve<C: Cloud>(cloud: &C, request: &Request) -> Answer {
    match request.operation.as_str() {
        "image_types.create" => image_types::create(cloud, request),
        "image_types.update" => image_types::update(cloud, request),
        "image_types.list" => image_types::list(cloud),
        "image_types.list_by_virt_type" => image_types::list_by_virt_type(cloud, request),
        "image_types.list_by_os_type" => image_types::list_by_os_type(cloud, request),
        "image_types.list_virt_types" => Ok(image_types::list_words(image_types::VIRT_TYPES)),
        "image_types.list_os_types" => Ok(image_types::list_words(image_types::OS_TYPES)),
        "image_types.show" => image_types::show(cloud, request),
        "image_types.delete" => image_types::delete(cloud, request),
        other => Err(Fault { status: 500, code: "internal", message: format!("Operation {other} is not served.") }),
    }
}

#[cfg(test)]
mod tests;
