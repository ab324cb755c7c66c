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

/// What every named resource's list can be ordered by, given the alias of its table, and what this one's can beyond it.
macro_rules! keys {
    ($alias:literal $(, $own:expr)* $(,)?) => {
        &[
            Key::text("id", concat!($alias, ".id")),
            Key::text("name", concat!($alias, ".name")),
            Key::text("project-id", concat!($alias, ".project_id")),
            Key::int("created-at", concat!($alias, ".created_at")),
            Key::int("updated-at", concat!($alias, ".updated_at")),
            $($own,)*
        ]
    };
}

/// Of a row of `ports`, as SQL: whether its machine runs, which is the truth about a port's activity. (Only what is a server's has
/// a node.)
macro_rules! active {
    () => {
        "p.node <> '' AND EXISTS (SELECT 1 FROM servers v WHERE v.id = p.device_id AND v.power_state = 'running')"
    };
}
pub(crate) use active;

const NETWORK_KEYS: &[Key] = keys!("n", Key::int("enabled", "n.enabled"), Key::int("mtu", "n.mtu"));
const SUBNET_KEYS: &[Key] = keys!(
    "s",
    Key::text("network-id", "s.network_id"),
    Key::int("ip-version", "s.ip_version"),
    Key::text("cidr", "s.cidr"),
    Key::text("gateway", "coalesce(s.gateway, '')"),
    Key::int("dhcp", "s.dhcp"),
);
const PORT_KEYS: &[Key] = keys!(
    "p",
    Key::int("enabled", "p.enabled"),
    Key::text("network-id", "p.network_id"),
    Key::text("mac", "p.mac"),
    Key::text("device-id", "p.device_id"),
    Key::text("device-owner", "p.device_owner"),
    Key::int("down", concat!("CAST(CASE WHEN p.enabled = 1 AND ", active!(), " THEN 0 ELSE 1 END AS BIGINT)")),
);
const GROUP_KEYS: &[Key] = keys!("g");
const ROUTER_KEYS: &[Key] = keys!("t", Key::int("enabled", "t.enabled"));
const RULE_KEYS: &[Key] = &[
    Key::text("id", "r.id"),
    Key::text("project-id", "r.project_id"),
    Key::int("created-at", "r.created_at"),
    Key::int("updated-at", "r.created_at"),
    Key::text("group-id", "r.group_id"),
    Key::int("ingress", "r.ingress"),
    Key::int("ip-version", "r.ip_version"),
    Key::text("protocol", "coalesce(r.protocol, '')"),
    Key::int("port-min", "coalesce(r.port_min, -1)"),
    Key::int("port-max", "coalesce(r.port_max, -1)"),
    Key::text("remote-cidr", "coalesce(r.remote_cidr, '')"),
    Key::text("remote-group-id", "coalesce(r.remote_group_id, '')"),
];
const BY_ID: &[(&str, bool)] = &[("id", false)];

#[cfg(test)]
mod tests;
