//! One program of all of them: each would be compiled and linked with what it tests.

mod bodies;
mod floating_ips;
mod lists;
mod shows;
mod support;
mod unserved;
