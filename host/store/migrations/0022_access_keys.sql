-- What users sign requests with, each in one project.

CREATE TABLE access_keys (
  -- Its public name, as signed requests have it.
  id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  project_id TEXT NOT NULL REFERENCES projects (id),
  -- Sealed with the key that is not in the database, for this row.
  secret TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX access_keys_by_user ON access_keys (user_id, id);
CREATE INDEX access_keys_by_project ON access_keys (project_id);
