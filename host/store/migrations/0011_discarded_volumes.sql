-- Volumes that an operator has removed, until their disks are gone from the platform.

CREATE TABLE discarded_volumes (
  id TEXT NOT NULL PRIMARY KEY,
  discarded_at BIGINT NOT NULL
);
