//! One program of all of them: each would be compiled and linked with what it tests.

mod assignments;
mod auth;
mod credentials;
mod extra;
mod hierarchy;
mod manifest;
mod resources;
mod support;
