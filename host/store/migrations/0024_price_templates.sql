-- Prices by department: a department (a domain) is bound to a template, in which one sheet is in force, in one revision. Bindings
-- and what is in force are time lines: each row holds until the next one, and what lies behind is never changed.
CREATE TABLE price_templates (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
-- Of every department that was never bound to another.
INSERT INTO price_templates (id, name, description, created_at) VALUES ('default', 'Default', '', 0);

CREATE TABLE price_bindings (
  domain_id TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  template_id TEXT NOT NULL,
  PRIMARY KEY (domain_id, started_at)
);
CREATE INDEX price_bindings_by_template ON price_bindings (template_id, domain_id);

CREATE TABLE price_moments (
  template_id TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  revision_id TEXT NOT NULL,
  PRIMARY KEY (template_id, started_at)
);
INSERT INTO price_moments (template_id, started_at, revision_id) SELECT 'default', effective_from, id FROM price_sheets;

CREATE TABLE price_revisions (
  id TEXT PRIMARY KEY,
  sheet_id TEXT NOT NULL,
  -- From 1 within the sheet.
  number BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX price_revisions_by_number ON price_revisions (sheet_id, number);
-- A sheet that never changed is its own first revision: the ledger goes on naming it.
INSERT INTO price_revisions (id, sheet_id, number, created_at) SELECT id, id, 1, created_at FROM price_sheets;

CREATE TABLE unit_prices (
  revision_id TEXT NOT NULL,
  meter TEXT NOT NULL,
  -- '': every class without a price of its own
  class TEXT NOT NULL,
  -- '': in every state without a price of its own
  server_state TEXT NOT NULL,
  -- Unit-hours of the month from which it holds.
  from_units BIGINT NOT NULL,
  nano_per_unit_hour BIGINT NOT NULL,
  PRIMARY KEY (revision_id, meter, class, server_state, from_units)
);
INSERT INTO unit_prices (revision_id, meter, class, server_state, from_units, nano_per_unit_hour)
  SELECT sheet_id, meter, class, '', 0, nano_per_unit_hour FROM prices;
DROP TABLE prices;

ALTER TABLE price_sheets ADD COLUMN template_id TEXT NOT NULL DEFAULT 'default';
-- From 1 within the template.
ALTER TABLE price_sheets ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
ALTER TABLE price_sheets ADD COLUMN description TEXT NOT NULL DEFAULT '';
UPDATE price_sheets
  SET number = (SELECT count(*) FROM price_moments m JOIN price_moments own ON own.revision_id = price_sheets.id
                WHERE m.started_at <= own.started_at);
DROP INDEX price_sheets_by_time;
ALTER TABLE price_sheets DROP COLUMN effective_from;
CREATE UNIQUE INDEX price_sheets_by_number ON price_sheets (template_id, number);
