-- Compute nodes that no deployment file names.
CREATE TABLE node_records (
  name TEXT PRIMARY KEY,
  driver TEXT NOT NULL,
  zone TEXT NOT NULL,
  -- none: what the platform says
  vcpus BIGINT,
  memory_mib BIGINT,
  disk_gib BIGINT,
  enabled BIGINT NOT NULL,
  -- JSON: names of the platform's networks by the cloud's
  platform_networks TEXT NOT NULL,
  -- JSON of the driver's config, sealed
  config TEXT NOT NULL,
  -- the process that takes it; empty: any
  process TEXT NOT NULL,
  revision BIGINT NOT NULL,
  -- the process that drives it, and until when nobody else does
  driven_by TEXT NOT NULL,
  driven_until BIGINT NOT NULL
);
