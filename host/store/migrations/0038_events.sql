-- What was changed, by whom, and how it ended: a row is written with its change and never changed itself.
CREATE TABLE events (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL,
  -- empty: of no project
  project_id TEXT NOT NULL,
  -- empty: of the whole cloud
  domain_id TEXT NOT NULL,
  -- empty: nobody asked, it was due
  user_id TEXT NOT NULL,
  resource_kind TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  action TEXT NOT NULL,
  request_id TEXT NOT NULL,
  -- empty: the call alone made the change
  operation_id TEXT NOT NULL,
  -- accepted, succeeded, failed, cancelled, stuck; empty: the call alone made the change
  outcome TEXT NOT NULL
);

CREATE INDEX events_at ON events (at, id);
CREATE INDEX events_project ON events (project_id, at, id);
CREATE INDEX events_resource ON events (resource_id, at, id);

-- The neutral action that was asked for.
ALTER TABLE operations ADD COLUMN action TEXT NOT NULL DEFAULT '';
