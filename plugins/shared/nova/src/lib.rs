//! Nova's API over the neutral core, as a library: handlers, bodies, views, lists, microversions, errors. It exports nothing: a face
//! brings its manifest, says which operation is which handler's, and makes a component of both.

pub mod attributes;
pub mod context;
pub mod dialect;
pub mod errors;
pub mod flavors;
pub mod keypairs;
pub mod microversions;
mod queries;
pub mod servers;
pub mod status;
pub mod unsupported;
pub mod versions;
mod views;
mod violations;
pub mod zones;

pub use context::{Answer, Context};
pub use errors::Fault;

/// What is wrong with a request before its handler looks at it: query parameters, and what the body's schema found.
pub fn check<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    queries::check(context)?;
    violations::check(context)
}
