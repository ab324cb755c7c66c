-- Durable operations: one row an operation, one row a step, one row a held resource.
CREATE TABLE operations (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  -- queued, running, unwinding, succeeded, failed, cancelled, stuck
  state TEXT NOT NULL,
  project_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  request_id TEXT NOT NULL,
  personality TEXT NOT NULL,
  resource_kind TEXT NOT NULL,
  -- empty for a parent
  resource_id TEXT NOT NULL,
  parent_id TEXT,
  -- place among the parent's children
  position BIGINT NOT NULL,
  params TEXT NOT NULL,
  -- keep or remove
  on_failure TEXT NOT NULL,
  -- number of the step that is being done or undone
  step BIGINT NOT NULL,
  -- do or undo
  phase TEXT NOT NULL,
  -- failed attempts of this step in this phase
  attempt BIGINT NOT NULL,
  -- 1: a worker has something to do with it; 0: ended, stuck, waiting for another operation, or a parent
  runnable BIGINT NOT NULL,
  next_run_at BIGINT NOT NULL,
  -- the operation that must end first
  waits_for TEXT,
  lease_owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  -- grows with each lease; a write of an older lease changes nothing
  fence BIGINT NOT NULL,
  cancel BIGINT NOT NULL,
  progress BIGINT NOT NULL,
  error TEXT,
  created_at BIGINT NOT NULL,
  started_at BIGINT,
  ended_at BIGINT,
  updated_at BIGINT NOT NULL
);

CREATE INDEX operations_runnable ON operations (next_run_at) WHERE runnable = 1;
CREATE INDEX operations_cancel ON operations (lease_owner) WHERE cancel = 1 AND runnable = 1;
CREATE INDEX operations_waiting ON operations (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX operations_children ON operations (parent_id, position) WHERE parent_id IS NOT NULL;
CREATE INDEX operations_resource ON operations (resource_id, created_at, id);
CREATE INDEX operations_request ON operations (request_id);
CREATE INDEX operations_project ON operations (project_id, created_at, id);
CREATE INDEX operations_created ON operations (created_at, id);
CREATE INDEX operations_state ON operations (state, updated_at);

CREATE TABLE operation_steps (
  operation_id TEXT NOT NULL,
  number BIGINT NOT NULL,
  name TEXT NOT NULL,
  -- begun, done, failed, undone
  state TEXT NOT NULL,
  detail TEXT,
  error TEXT,
  plugin_digest TEXT,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  PRIMARY KEY (operation_id, number)
);

-- One open operation a resource.
CREATE TABLE operation_locks (
  resource_kind TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  operation_id TEXT NOT NULL,
  PRIMARY KEY (resource_kind, resource_id)
);

CREATE INDEX operation_locks_operation ON operation_locks (operation_id);

-- What a server holds of its node, from placement to removal. The sum a node stands in node_usage and is written in the same
-- transaction, so that placing needs no sum over all servers.
CREATE TABLE node_reservations (
  server_id TEXT PRIMARY KEY,
  node TEXT NOT NULL,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  disk_gib BIGINT NOT NULL
);

CREATE INDEX node_reservations_node ON node_reservations (node);

CREATE TABLE node_usage (
  node TEXT PRIMARY KEY,
  vcpus BIGINT NOT NULL,
  memory_mib BIGINT NOT NULL,
  disk_gib BIGINT NOT NULL
);

-- The reconciler walks a node's servers in the order of its platform's inventory.
CREATE INDEX servers_on_node ON servers (node, id) WHERE deleted = 0;
