-- A volume holds its disk's room by itself, attached or not; a server holds processors and memory.
INSERT INTO placements (holder_kind, holder_id, purpose, node, vcpus, memory_mib, disk_gib)
  SELECT 'volume', v.id, 'home', p.node, 0, 0, v.size_gib FROM volumes v
  JOIN placements p ON p.holder_id = v.server_id AND p.purpose = 'home' WHERE v.server_id <> '';
UPDATE placements SET disk_gib = 0 WHERE holder_kind = 'server' AND purpose = 'home';
UPDATE node_usage SET disk_gib =
  (SELECT CAST(coalesce(sum(p.disk_gib), 0) AS BIGINT) FROM placements p WHERE p.node = node_usage.node);

ALTER TABLE volumes ADD COLUMN description TEXT NOT NULL DEFAULT '';
-- The zone in which its disk is, or is to be
ALTER TABLE volumes ADD COLUMN zone TEXT NOT NULL DEFAULT '';
-- JSON object of text to text
ALTER TABLE volumes ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
-- The snapshot, or the other volume, that it began as; '': none
ALTER TABLE volumes ADD COLUMN snapshot_id TEXT NOT NULL DEFAULT '';
ALTER TABLE volumes ADD COLUMN source_volume_id TEXT NOT NULL DEFAULT '';
ALTER TABLE volumes ADD COLUMN attached_at BIGINT;
UPDATE volumes SET attached_at = created_at WHERE server_id <> '';
UPDATE volumes SET zone = coalesce((SELECT s.zone FROM servers s WHERE s.id = volumes.server_id),
  (SELECT n.zone FROM placements p JOIN nodes n ON n.name = p.node WHERE p.holder_id = volumes.id), '');

CREATE TABLE volume_snapshots (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  domain_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  volume_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  size_gib BIGINT NOT NULL,
  -- creating, available, deleting or error
  state TEXT NOT NULL,
  -- JSON object of text to text
  metadata TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  -- JSON object of personality to its own JSON object
  attributes TEXT NOT NULL
);
CREATE INDEX volume_snapshots_by_project ON volume_snapshots (project_id, created_at DESC, id DESC);
CREATE INDEX volume_snapshots_by_domain ON volume_snapshots (domain_id, created_at DESC, id DESC);
CREATE INDEX volume_snapshots_by_volume ON volume_snapshots (volume_id);
CREATE INDEX volume_snapshots_for_quota ON volume_snapshots (project_id, size_gib);
