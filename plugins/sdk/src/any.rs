//! Filters that let everything through: `ServerFilter { name: Some(..), ..any::servers() }`.

use crate::cloud::compute::ServerFilter;
use crate::cloud::flavors::FlavorFilter;
use crate::cloud::images::ImageFilter;
use crate::cloud::networks::{GroupFilter, NetworkFilter, PortFilter};
use crate::cloud::operations::OperationFilter;

/// The caller's living servers.
#[must_use]
pub fn servers() -> ServerFilter {
    ServerFilter {
        ids: Vec::new(),
        name: None,
        name_is_pattern: false,
        vm_states: Vec::new(),
        task_states: Vec::new(),
        has_task: None,
        flavor_id: None,
        image_id: None,
        zone: None,
        node: None,
        key_name: None,
        user_id: None,
        reservation_id: None,
        addresses: Vec::new(),
        hostname: None,
        locked: None,
        flavor_id_is_part: false,
        description: None,
        config_drive: None,
        launch_index: None,
        progress: None,
        access_ipv4: None,
        access_ipv6: None,
        power_states: Vec::new(),
        created: None,
        launched: None,
        terminated: None,
        changed_since: None,
        changed_before: None,
        all_projects: false,
        project_id: None,
        deleted: false,
        tags_all: Vec::new(),
        tags_any: Vec::new(),
        not_tags_all: Vec::new(),
        not_tags_any: Vec::new(),
        metadata: Vec::new(),
    }
}

/// The flavors that the caller may use.
#[must_use]
pub fn flavors() -> FlavorFilter {
    FlavorFilter { is_public: None, all: false, min_memory_mib: None, min_disk_gib: None, zone: None }
}

/// The images of the caller's project and those that it may use.
#[must_use]
pub fn images() -> ImageFilter {
    ImageFilter {
        ids: Vec::new(),
        names: Vec::new(),
        states: Vec::new(),
        visibility: None,
        community: false,
        owner: None,
        protected: None,
        hidden: None,
        disk_formats: Vec::new(),
        container_formats: Vec::new(),
        min_size: None,
        max_size: None,
        min_virtual_size: None,
        max_virtual_size: None,
        min_disk_gib: None,
        min_memory_mib: None,
        created_since: None,
        created_before: None,
        updated_since: None,
        updated_before: None,
        created_outside: Vec::new(),
        updated_outside: Vec::new(),
        tags: Vec::new(),
        checksum: None,
        hash_value: None,
        properties: Vec::new(),
        all_projects: false,
    }
}

/// The networks that the caller sees.
#[must_use]
pub fn networks() -> NetworkFilter {
    NetworkFilter {
        ids: Vec::new(),
        names: Vec::new(),
        project_id: None,
        shared: None,
        external: None,
        enabled: None,
        is_default: None,
        tags: Vec::new(),
    }
}

/// The caller's ports.
#[must_use]
pub fn ports() -> PortFilter {
    PortFilter {
        ids: Vec::new(),
        names: Vec::new(),
        project_id: None,
        network_ids: Vec::new(),
        device_ids: Vec::new(),
        device_owner: None,
        macs: Vec::new(),
        address: None,
        subnet_id: None,
        security_group_ids: Vec::new(),
        tags: Vec::new(),
    }
}

/// The caller's security groups.
#[must_use]
pub fn security_groups() -> GroupFilter {
    GroupFilter { ids: Vec::new(), names: Vec::new(), project_id: None, tags: Vec::new() }
}

/// The caller's operations.
#[must_use]
pub fn operations() -> OperationFilter {
    OperationFilter {
        resource_id: None,
        request_id: None,
        parent_id: None,
        kinds: Vec::new(),
        changed_since: None,
        changed_before: None,
    }
}
