-- Which projects may use a private flavor.

CREATE TABLE flavor_access (
  flavor_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  PRIMARY KEY (flavor_id, project_id)
);
CREATE INDEX flavor_access_by_project ON flavor_access (project_id, flavor_id);
