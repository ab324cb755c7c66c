-- Domains, projects, users, roles, what is granted to whom, and tokens.

CREATE TABLE domains (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE projects (
  id TEXT PRIMARY KEY,
  domain_id TEXT NOT NULL REFERENCES domains (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  -- NULL: directly below the domain.
  parent_id TEXT REFERENCES projects (id),
  -- JSON array of strings.
  tags TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  UNIQUE (domain_id, name)
);
CREATE INDEX projects_by_name ON projects (name, id);
CREATE INDEX projects_by_parent ON projects (parent_id);

CREATE TABLE users (
  id TEXT PRIMARY KEY,
  domain_id TEXT NOT NULL REFERENCES domains (id),
  name TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  default_project_id TEXT,
  description TEXT,
  email TEXT,
  -- PHC string; NULL: nobody can log in with a password.
  password_hash TEXT,
  password_changed_at BIGINT,
  created_at BIGINT NOT NULL,
  UNIQUE (domain_id, name)
);
CREATE INDEX users_by_name ON users (name, id);

CREATE TABLE roles (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  immutable BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);

-- target_kind: project, domain, or system (then target_id is '').
CREATE TABLE assignments (
  user_id TEXT NOT NULL REFERENCES users (id),
  target_kind TEXT NOT NULL,
  target_id TEXT NOT NULL,
  role_id TEXT NOT NULL REFERENCES roles (id),
  PRIMARY KEY (user_id, target_kind, target_id, role_id)
);
CREATE INDEX assignments_by_target ON assignments (target_kind, target_id);
CREATE INDEX assignments_by_role ON assignments (role_id);

-- A revoked token is deleted, so what stands here and is not past `expires_at` is valid.
CREATE TABLE tokens (
  -- SHA-256 of the token, hex: the token itself is held by nobody but its owner.
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users (id),
  -- unscoped, project, domain or system.
  scope_kind TEXT NOT NULL,
  scope_id TEXT NOT NULL,
  -- JSON array of strings.
  methods TEXT NOT NULL,
  audit_id TEXT NOT NULL,
  parent_audit_id TEXT,
  issued_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_by_user ON tokens (user_id);
CREATE INDEX tokens_by_scope ON tokens (scope_kind, scope_id);
CREATE INDEX tokens_by_expiry ON tokens (expires_at);
