-- What the core does with a resource at its time, once. A schedule holds no lock: when it is due it makes an operation, if the
-- resource still allows it.
CREATE TABLE schedules (
  id TEXT PRIMARY KEY,
  resource_kind TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  -- What is done, by the contract's word.
  verb TEXT NOT NULL,
  due_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX schedules_of_resource ON schedules (resource_id, verb);
CREATE INDEX schedules_due ON schedules (due_at);
