-- Networks, subnets, ports, security groups, routers. Addresses are unique in their subnet.
CREATE TABLE networks (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    shared BIGINT NOT NULL,
    external BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    port_security BIGINT NOT NULL,
    mtu BIGINT NOT NULL,
    zone TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX networks_project ON networks (project_id, id);
CREATE INDEX networks_name ON networks (name, id);
CREATE INDEX networks_shared ON networks (id) WHERE shared = 1;

CREATE TABLE subnets (
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    ip_version BIGINT NOT NULL,
    cidr TEXT NOT NULL,
    gateway TEXT,
    dhcp BIGINT NOT NULL,
    -- JSON: ["address"], [["start", "end"]], [["destination", "next hop"]]
    dns TEXT NOT NULL,
    pools TEXT NOT NULL,
    host_routes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX subnets_network ON subnets (network_id, created_at, id);
CREATE INDEX subnets_project ON subnets (project_id, id);

CREATE TABLE security_groups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    stateful BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX security_groups_project ON security_groups (project_id, name, id);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default = 1;

CREATE TABLE security_rules (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES security_groups (id),
    project_id TEXT NOT NULL,
    ingress BIGINT NOT NULL,
    ip_version BIGINT NOT NULL,
    protocol TEXT,
    port_min BIGINT,
    port_max BIGINT,
    remote_cidr TEXT,
    remote_group_id TEXT REFERENCES security_groups (id),
    description TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX security_rules_group ON security_rules (group_id, id);
CREATE INDEX security_rules_remote ON security_rules (remote_group_id);
CREATE INDEX security_rules_project ON security_rules (project_id, id);

CREATE TABLE ports (
    id TEXT PRIMARY KEY,
    network_id TEXT NOT NULL REFERENCES networks (id),
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    mac TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    port_security BIGINT NOT NULL,
    -- What uses it; empty: nothing.
    device_id TEXT NOT NULL,
    device_owner TEXT NOT NULL,
    -- 1: made for its device, and goes with it.
    with_device BIGINT NOT NULL,
    -- The place among the device's ports.
    position BIGINT NOT NULL,
    -- Compute node that it is bound to; empty: none.
    node TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX ports_mac ON ports (network_id, mac);
CREATE INDEX ports_project ON ports (project_id, id);
CREATE INDEX ports_device ON ports (device_id, position, id);

CREATE TABLE port_addresses (
    subnet_id TEXT NOT NULL REFERENCES subnets (id),
    address TEXT NOT NULL,
    -- The address as 32 hex digits: its order.
    number TEXT NOT NULL,
    port_id TEXT NOT NULL REFERENCES ports (id),
    PRIMARY KEY (subnet_id, address)
);
CREATE UNIQUE INDEX port_addresses_number ON port_addresses (subnet_id, number);
CREATE INDEX port_addresses_port ON port_addresses (port_id);
CREATE INDEX port_addresses_address ON port_addresses (address);

CREATE TABLE port_groups (
    port_id TEXT NOT NULL REFERENCES ports (id),
    group_id TEXT NOT NULL REFERENCES security_groups (id),
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX port_groups_group ON port_groups (group_id);

CREATE TABLE routers (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled BIGINT NOT NULL,
    is_default BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX routers_project ON routers (project_id, id);
CREATE UNIQUE INDEX routers_default ON routers (project_id) WHERE is_default = 1;
