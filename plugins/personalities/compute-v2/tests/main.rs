//! One program of all of them: each would be compiled and linked with what it tests.

mod actions;
mod aggregates;
mod create;
mod disks;
mod filters;
mod flavors;
mod floating_ips;
mod groups;
mod images;
mod interfaces;
mod keypairs;
mod others;
mod proxies;
mod quotas;
mod rebuilds;
mod server_groups;
mod servers;
mod sizes;
mod support;
mod tags;
mod unsupported;
mod vendor;
