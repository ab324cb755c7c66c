//! Networks, subnets, ports, security groups and routers.
//!
//! Functions that write take a transaction and may stand in a larger one: a server's creation allocates its ports together
//! with everything else, or not at all.

mod addresses;
mod device_ports;
mod fixing;
mod groups;
mod network;
mod ports;
mod routers;
mod subnets;

pub use addresses::{Cidr, Prefixed, Range};
pub use device_ports::{
    DevicePort, NicAddress, bind_port, bind_ports_of_device, ports_of_device, release_ports_of_device, take_port,
};
pub use fixing::{address_taken, same_addresses};
pub use groups::{
    Group, GroupFilter, NewRule, Rule, RuleFilter, default_group, delete_group, delete_rule, get_group, get_rule,
    group_in_use, insert_group, insert_rule, list_groups, list_rules, resolve_groups, touch_group, update_group,
};
pub use network::{
    Network, NetworkFilter, delete_network, external_network, get_network, insert_network, list_networks, lock_network,
    network_in_use, networks_for_servers, touch_network, update_network,
};
pub use ports::{
    FixedIp, FixedRequest, NewPort, Port, PortFilter, PortNetwork, PortSpec, PortUpdate, allocate_port, delete_port,
    get_port, insert_port, list_ports, update_port,
};
pub use routers::{Router, RouterFilter, default_router, get_router, list_routers};
pub use subnets::{
    Subnet, SubnetFilter, delete_subnet, get_subnet, insert_subnet, list_subnets, subnets_of_network, update_subnet,
};

use crate::listing::Key;

/// Of a row of `ports`, as SQL: it is the core's, which means that a server has it or that it carries a public address. Its
/// `device_id` and `device_owner` are texts that clients may choose.
macro_rules! of_core {
    () => {
        "of_core = 1"
    };
}
pub(crate) use of_core;
pub(crate) const OF_CORE: &str = of_core!();

/// What every list here can be ordered by, given the alias of its table.
macro_rules! keys {
    ($alias:literal, $updated:literal) => {
        &[
            Key::text("id", concat!($alias, ".id")),
            Key::text("name", concat!($alias, ".name")),
            Key::text("project-id", concat!($alias, ".project_id")),
            Key::int("created-at", concat!($alias, ".created_at")),
            Key::int("updated-at", concat!($alias, ".", $updated)),
        ]
    };
}

const NETWORK_KEYS: &[Key] = keys!("n", "updated_at");
const SUBNET_KEYS: &[Key] = keys!("s", "updated_at");
const PORT_KEYS: &[Key] = keys!("p", "updated_at");
const GROUP_KEYS: &[Key] = keys!("g", "updated_at");
const ROUTER_KEYS: &[Key] = keys!("t", "updated_at");
const RULE_KEYS: &[Key] = &[
    Key::text("id", "r.id"),
    Key::text("project-id", "r.project_id"),
    Key::int("created-at", "r.created_at"),
    Key::int("updated-at", "r.created_at"),
];
const BY_ID: &[(&str, bool)] = &[("id", false)];

#[cfg(test)]
mod tests;
