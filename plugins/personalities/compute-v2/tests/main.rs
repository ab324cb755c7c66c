//! One program of all of them: each would be compiled and linked with what it tests.

mod actions;
mod create;
mod disks;
mod filters;
mod flavors;
mod keypairs;
mod others;
mod proxies;
mod servers;
mod sizes;
mod support;
mod unsupported;
mod vendor;
