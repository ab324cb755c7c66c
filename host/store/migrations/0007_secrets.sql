-- Secrets that an operation needs until its end. They are sealed with a key that is not in the database.

-- '': none, or the server is made and nobody needs it any more. Not among the columns of a list.
ALTER TABLE servers ADD COLUMN admin_password TEXT NOT NULL DEFAULT '';

-- What the key is known by, so that a process with another one is told at its start. One row.
CREATE TABLE sealing_key (
  only_one BIGINT PRIMARY KEY,
  fingerprint TEXT NOT NULL
);
