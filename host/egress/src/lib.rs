//! Requests to the outside, within what the deployment grants: to which hosts, over which addresses, with which login, how many, how
//! long and how large. Whoever asks names a place; where the connection goes is decided and checked here.

mod addresses;
mod connect;
mod hosts;
mod rules;
mod send;
mod tls;

pub use connect::{Resolve, System};
pub use rules::{Login, Rules};
pub use send::{Answer, Egress, Opened, Request};
