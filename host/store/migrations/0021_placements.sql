-- What a server, or a volume that outlives its server, holds of a compute node. A server that is being resized holds two places: the
-- one where it is at home, and the other one. The sum a node stands in node_usage.
CREATE TABLE placements (
  -- server or volume
  holder_kind TEXT NOT NULL,
  holder_id TEXT NOT NULL,
  -- home or resize
  purpose TEXT NOT NULL,
  node TEXT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  disk_gib BIGINT NOT NULL,
  PRIMARY KEY (holder_id, purpose)
);
INSERT INTO placements (holder_kind, holder_id, purpose, node, vcpus, memory_mib, disk_gib)
  SELECT CASE WHEN EXISTS (SELECT 1 FROM servers s WHERE s.id = r.server_id) THEN 'server' ELSE 'volume' END,
    r.server_id, 'home', r.node, r.vcpus, r.memory_mib, r.disk_gib FROM node_reservations r;
DROP TABLE node_reservations;
CREATE INDEX placements_by_node ON placements (node);

-- The node whose platform the next step is for: only a process that drives it takes the operation. '': any.
ALTER TABLE operations ADD COLUMN node TEXT NOT NULL DEFAULT '';
UPDATE operations SET node = coalesce((SELECT p.node FROM placements p WHERE p.holder_id = operations.resource_id), '')
  WHERE ended_at IS NULL;

-- A server between two flavors, from the request to the confirmation or the way back: the flavor that it does not have. That is the
-- new one until the guest runs with it, then the old one.
CREATE TABLE resizes (
  server_id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  flavor_id TEXT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  -- JSON object: the rest of the flavor
  flavor TEXT NOT NULL,
  -- What the server holds of the quota above what its own row says, so that either way stays open.
  extra_vcpus BIGINT NOT NULL,
  extra_memory_mib BIGINT NOT NULL,
  -- By which the system disk will grow
  extra_volume_gib BIGINT NOT NULL,
  -- 1: the guest ran when the resize was asked for
  running BIGINT NOT NULL
);
CREATE INDEX resizes_for_quota ON resizes (project_id, extra_vcpus, extra_memory_mib, extra_volume_gib);
