-- Host aggregates: groups of compute nodes.
CREATE TABLE aggregates (
  -- A number as text
  id TEXT PRIMARY KEY,
  uuid TEXT NOT NULL,
  name TEXT NOT NULL UNIQUE,
  -- The zone that its nodes are in; '': it says nothing of zones
  zone TEXT NOT NULL,
  -- JSON object of text to text
  metadata TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  -- 0: never
  updated_at BIGINT NOT NULL
);
CREATE INDEX aggregates_by_time ON aggregates (created_at, id);

CREATE TABLE aggregate_nodes (
  aggregate_id TEXT NOT NULL,
  node TEXT NOT NULL,
  PRIMARY KEY (aggregate_id, node)
);
CREATE INDEX aggregate_nodes_by_node ON aggregate_nodes (node);

-- The last number that was given out of each series.
CREATE TABLE sequences (
  name TEXT PRIMARY KEY,
  number BIGINT NOT NULL
);

-- The zone that the deployment says; zone is the one of the node's aggregates where they say any.
ALTER TABLE nodes ADD COLUMN own_zone TEXT NOT NULL DEFAULT '';
UPDATE nodes SET own_zone = zone;
