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

use crate::fields::Members;

pub use addresses::{Cidr, Prefixed, Range};
pub use device_ports::{
    DevicePort, NicAddress, bind_port, bind_ports_of_device, places_of_device, ports_of_device, release_port_of_device,
    release_ports_of_device, take_port,
};
pub use fixing::{FixedIp, FixedRequest, address_taken, same_addresses};
pub use groups::{
    Group, NewRule, Rule, default_group, delete_group, delete_rule, get_group, get_rule, group_in_use, insert_group,
    insert_rule, list_groups, list_rules, lock_group, resolve_groups, touch_group, update_group,
};
pub use network::{
    Network, delete_network, external_network, get_network, insert_network, list_networks, lock_network,
    network_gives_addresses, network_in_use, networks_for_servers, touch_network, update_network,
};
pub use ports::{
    NewPort, Port, PortNetwork, PortSpec, PortUpdate, allocate_port, delete_port, get_port, insert_port, list_ports,
    lock_port, update_port,
};
pub use routers::{Router, default_router, get_router, list_routers};
pub use subnets::{Subnet, delete_subnet, get_subnet, insert_subnet, list_subnets, subnets_of_network, update_subnet};

/// Of a row of `ports`, as SQL: it is the core's, which means that a server has it or that it carries a public address. Its
/// `device_id` and `device_owner` are texts that clients may choose.
macro_rules! of_core {
    () => {
        "of_core = 1"
    };
}
pub(crate) use of_core;
pub(crate) const OF_CORE: &str = of_core!();

/// Of a row of `ports`, as SQL: whether its machine has its cards on the node, running or paused, which is the truth about a port's
/// activity. (Only what is a server's has a node.)
macro_rules! active {
    () => {
        "p.node <> '' AND EXISTS (SELECT 1 FROM servers v WHERE v.id = p.device_id AND v.power_state IN ('running', 'paused'))"
    };
}
pub(crate) use active;

const BY_ID: &[(&str, bool)] = &[("id", false)];

/// What is on a network has no tags yet, which conditions may ask for all the same.
const NO_TAGS: Members = Members::new("''", &[("(SELECT '' AS owner, '' AS tag WHERE 1 = 0) g", "g.owner")], "g.tag");

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_conditions;
#[cfg(test)]
mod tests_devices;
#[cfg(test)]
mod tests_public_addresses;
#[cfg(test)]
mod tests_reach;
