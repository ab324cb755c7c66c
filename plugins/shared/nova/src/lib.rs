//! Nova's API over the neutral core, as a library: handlers, bodies, views, lists, microversions, errors. It exports nothing: a face
//! brings its manifest, says which operation is which handler's, and makes a component of both.

pub mod aggregates;
pub mod attributes;
pub mod context;
pub mod errors;
pub mod flavors;
pub mod keypairs;
pub mod microversions;
pub mod proxies;
mod queries;
pub mod quotas;
pub mod rules;
pub mod server_groups;
pub mod servers;
pub mod settings;
pub mod status;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod unsupported;
pub mod versions;
mod views;
mod violations;
pub mod words;
pub mod zones;

use skyloom_sdk::{Cloud, Response};

pub use context::{Answer, Context};
pub use errors::Fault;
pub use rules::{Names, Rules, UPSTREAM};

/// Answers a request by the face's table of operations; refusals come in the face's envelope.
pub fn answer<C: Cloud>(context: &Context<'_, C>, serve: impl FnOnce(&Context<'_, C>, &str) -> Answer) -> Response {
    let served = check(context).and_then(|()| serve(context, context.request.operation.as_str()));
    served.unwrap_or_else(|fault| (context.rules.envelope)(&fault.of(context.request)))
}

/// An operation that the face's manifest has and its table hasn't: a defect that a test of each face catches.
pub fn unknown(operation: &str) -> Answer {
    Err(Fault::new(404, format!("There is no operation {operation}.")))
}

/// What is wrong with a request before its handler looks at it: its version, query parameters, what the body's schema found.
fn check<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    proxies::check_end(context)?;
    queries::check(context)?;
    violations::check(context)
}
