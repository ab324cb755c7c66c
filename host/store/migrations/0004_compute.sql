-- Flavors, key pairs, servers, volumes, compute nodes, quotas.
-- A text that may be missing is '' where lists are ordered or filtered by it, so that one row comparison pages every order.

CREATE TABLE flavors (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  disk_gib BIGINT NOT NULL,
  ephemeral_gib BIGINT NOT NULL,
  swap_mib BIGINT NOT NULL,
  rxtx_factor_milli BIGINT NOT NULL,
  is_public BIGINT NOT NULL,
  disabled BIGINT NOT NULL,
  -- JSON object
  extra_specs TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX flavors_by_name ON flavors (name);

CREATE TABLE keypairs (
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- ssh or x509
  kind TEXT NOT NULL,
  public_key TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (user_id, name)
);

CREATE TABLE servers (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  vm_state TEXT NOT NULL,
  -- '': none
  task_state TEXT NOT NULL,
  power_state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  -- 0: never
  launched_at BIGINT NOT NULL,
  -- 0: lives
  terminated_at BIGINT NOT NULL,
  -- 1: kept for a while, for operators
  deleted BIGINT NOT NULL,
  flavor_id TEXT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  -- JSON object: the rest of the flavor as it was
  flavor TEXT NOT NULL,
  -- '': none
  image_id TEXT NOT NULL,
  -- '': none
  key_name TEXT NOT NULL,
  public_key TEXT NOT NULL,
  zone TEXT NOT NULL,
  -- '': not placed
  node TEXT NOT NULL,
  hostname TEXT NOT NULL,
  locked BIGINT NOT NULL,
  progress BIGINT NOT NULL,
  access_ipv4 TEXT NOT NULL,
  access_ipv6 TEXT NOT NULL,
  config_drive BIGINT NOT NULL,
  reservation_id TEXT NOT NULL,
  launch_index BIGINT NOT NULL,
  fault_message TEXT,
  fault_code BIGINT,
  fault_at BIGINT,
  -- JSON object
  metadata TEXT NOT NULL,
  -- JSON object of personality to its own JSON object
  attributes TEXT NOT NULL,
  -- last, because it may be long: a list doesn't read as far
  user_data TEXT
);
CREATE INDEX servers_by_project ON servers (project_id, deleted, created_at DESC, id DESC);
CREATE INDEX servers_of_all ON servers (deleted, created_at DESC, id DESC);
CREATE INDEX servers_by_state ON servers (project_id, deleted, vm_state, created_at DESC, id DESC);
CREATE INDEX servers_by_change ON servers (project_id, deleted, updated_at, id);
CREATE INDEX servers_by_name ON servers (project_id, deleted, name, id);
CREATE INDEX servers_by_node ON servers (node, deleted);
CREATE INDEX servers_by_reservation ON servers (reservation_id);
CREATE INDEX servers_for_quota ON servers (project_id, deleted, vcpus, memory_mib);

CREATE TABLE server_tags (
  server_id TEXT NOT NULL,
  tag TEXT NOT NULL,
  PRIMARY KEY (server_id, tag)
);

CREATE TABLE volumes (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  size_gib BIGINT NOT NULL,
  volume_type TEXT NOT NULL,
  bootable BIGINT NOT NULL,
  -- creating, available, in-use, deleting or error
  state TEXT NOT NULL,
  -- '': not attached
  server_id TEXT NOT NULL,
  boot_index BIGINT NOT NULL,
  device TEXT NOT NULL,
  delete_on_termination BIGINT NOT NULL,
  -- the image that it began as; '': empty
  image_id TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX volumes_by_project ON volumes (project_id, created_at DESC, id DESC);
CREATE INDEX volumes_by_server ON volumes (server_id, boot_index);
CREATE INDEX volumes_by_image ON volumes (image_id);
CREATE INDEX volumes_for_quota ON volumes (project_id, size_gib);

-- Addresses of the outside that a project holds. The address itself is a port's on an external network.
CREATE TABLE public_addresses (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  port_id TEXT NOT NULL,
  -- '': bound to none
  server_id TEXT NOT NULL,
  bandwidth_mbit BIGINT NOT NULL,
  delete_on_termination BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX public_addresses_by_project ON public_addresses (project_id, created_at, id);
CREATE INDEX public_addresses_by_server ON public_addresses (server_id);

CREATE TABLE nodes (
  name TEXT PRIMARY KEY,
  zone TEXT NOT NULL,
  driver TEXT NOT NULL,
  hypervisor TEXT NOT NULL,
  hypervisor_version BIGINT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  disk_gib BIGINT NOT NULL,
  -- 0: takes no new servers
  enabled BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX nodes_by_zone ON nodes (zone, enabled);

-- What a project may have where it differs from the deployment's defaults.
CREATE TABLE quotas (
  project_id TEXT NOT NULL,
  name TEXT NOT NULL,
  quota_limit BIGINT NOT NULL,
  PRIMARY KEY (project_id, name)
);

-- What was laid into a fresh database, once: a restart doesn't bring back what an operator removed.
CREATE TABLE seeded (
  area TEXT PRIMARY KEY,
  seeded_at BIGINT NOT NULL
);
