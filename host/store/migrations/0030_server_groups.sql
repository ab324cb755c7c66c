-- Servers that are placed with a view to one another.
CREATE TABLE server_groups (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  domain_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  name TEXT NOT NULL,
  -- affinity, anti-affinity, soft-affinity or soft-anti-affinity
  policy TEXT NOT NULL,
  -- Of its servers on one compute node; NULL: what the policy says by itself
  max_servers_per_node BIGINT,
  created_at BIGINT NOT NULL
);
CREATE INDEX server_groups_by_project ON server_groups (project_id, created_at, id);
CREATE INDEX server_groups_by_domain ON server_groups (domain_id, created_at, id);
-- '': in none
ALTER TABLE servers ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
CREATE INDEX servers_by_group ON servers (group_id) WHERE group_id <> '';
