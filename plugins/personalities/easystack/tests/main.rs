//! One program of all of them: each would be compiled and linked with what it tests.

mod aggregates;
mod api;
mod refusals;
mod server_groups;
mod servers;
