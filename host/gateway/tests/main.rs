//! One program of all of them: each would be compiled and linked with what it tests.

mod held;
mod internal;
mod nobody;
mod refusals;
mod requests;
mod routes;
mod signed;
mod sockets;
mod support;
mod swap;
mod tls;
