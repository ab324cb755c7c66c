//! The defaults of filters ask for nothing in particular: `ServerFilter { name: Some(..), ..Default::default() }`.

use crate::bindings::cloud::compute::ServerFilter;
use crate::bindings::cloud::flavors::FlavorFilter;
use crate::bindings::cloud::images::ImageFilter;
use crate::bindings::cloud::networks::{GroupFilter, NetworkFilter, PortFilter, SubnetFilter};

/// The bindings derive nothing for one record alone, and not every type of a contract has a default.
macro_rules! asks_for_nothing {
    ($($filter:ident { $($field:ident),+ $(,)? })+) => {
        $(impl Default for $filter {
            fn default() -> Self {
                Self { $($field: Default::default()),+ }
            }
        })+
    };
}

asks_for_nothing! {
    ServerFilter {
        ids, name, name_is_pattern, vm_states, task_states, has_task, flavor_id, flavor_id_is_part, image_id, zone, node,
        key_name, user_id, reservation_id, addresses, hostname, locked, description,
        config_drive, launch_index, progress, access_ipv4, access_ipv6, power_states, created, launched, terminated,
        changed_since, changed_before, all_projects, project_id, deleted, tags_all, tags_any, not_tags_all, not_tags_any,
        metadata,
    }
    FlavorFilter { is_public, all, min_memory_mib, min_disk_gib, zone }
    ImageFilter {
        ids, names, states, visibility, community, owner, protected, hidden, disk_formats, container_formats, min_size,
        max_size, min_virtual_size, max_virtual_size, min_disk_gib, min_memory_mib, created_since, created_before, updated_since, updated_before,
        created_outside, updated_outside, tags, checksum,
        hash_value, properties, all_projects,
    }
    NetworkFilter { ids, names, project_id, shared, external, enabled, is_default, tags }
    SubnetFilter {
        ids, names, project_id, network_ids, cidr, ip_version, gateway, dhcp, external, tags
    }
    PortFilter {
        ids, names, project_id, network_ids, device_ids, device_owner, macs, address, subnet_id, security_group_ids, tags
    }
    GroupFilter { ids, names, project_id, tags }
}
