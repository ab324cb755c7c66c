-- Use is rated by account: the department (a domain) of the project at the time when the use began, '' where the project was gone
-- before this was written down.
ALTER TABLE spans ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
-- The server whose state prices may depend on; '': none.
ALTER TABLE spans ADD COLUMN server_id TEXT NOT NULL DEFAULT '';
UPDATE spans SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = spans.project_id), '');
UPDATE spans SET server_id = resource_id WHERE resource_kind = 'server';
UPDATE spans SET server_id = coalesce((SELECT v.server_id FROM volumes v WHERE v.id = spans.resource_id), '')
  WHERE resource_kind = 'volume' AND ended_at = 9223372036854775807;
UPDATE spans SET server_id = coalesce((SELECT a.server_id FROM public_addresses a WHERE a.id = spans.resource_id), '')
  WHERE resource_kind = 'public-address' AND ended_at = 9223372036854775807;
CREATE INDEX spans_by_account ON spans (domain_id, ended_at, started_at);

-- Each holds until the server's next one.
CREATE TABLE server_states (
  server_id TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (server_id, started_at)
);
INSERT INTO server_states (server_id, started_at, state) SELECT id, updated_at, vm_state FROM servers WHERE deleted = 0;

-- A period is one account's.
CREATE TABLE account_periods (
  domain_id TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  -- The local day that it lies in; '': it is from the time before departments had prices of their own.
  day TEXT NOT NULL,
  -- '': as the time lines say; else all of it is rated by this revision, as in that time.
  revision_id TEXT NOT NULL,
  -- rating, rated or parked
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  -- '' until rated
  rule_digest TEXT NOT NULL,
  -- why it is parked; '': it isn't
  error TEXT NOT NULL,
  -- JSON: the quantities of the month at its end
  tallies TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (domain_id, started_at)
);
INSERT INTO account_periods (domain_id, started_at, ended_at, day, revision_id, state, attempts, rule_digest, error, tallies,
                             updated_at)
  SELECT a.domain_id, p.started_at, p.ended_at, '', p.sheet_id, p.state, p.attempts, p.rule_digest, p.error, '{}', p.updated_at
  FROM rating_periods p CROSS JOIN (SELECT DISTINCT domain_id FROM spans) a;
DROP TABLE rating_periods;
ALTER TABLE account_periods RENAME TO rating_periods;
CREATE INDEX rating_periods_by_state ON rating_periods (state, started_at);

-- A span costs once by a revision from a time on.
CREATE TABLE account_charges (
  span_id TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  revision_id TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  domain_id TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  project_id TEXT NOT NULL,
  -- Of the server that the use belongs to; '': of none, or written before states counted.
  server_state TEXT NOT NULL,
  seconds BIGINT NOT NULL,
  nano_unit_price BIGINT NOT NULL,
  -- An amount is nano_amount_high * 2^63 + nano_amount.
  nano_amount_high BIGINT NOT NULL,
  nano_amount BIGINT NOT NULL,
  rule_digest TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (span_id, started_at, revision_id)
);
INSERT INTO account_charges (span_id, started_at, revision_id, ended_at, domain_id, period_start, project_id, server_state,
                             seconds, nano_unit_price, nano_amount_high, nano_amount, rule_digest, created_at)
  SELECT c.span_id, c.started_at, c.sheet_id, c.ended_at, coalesce((SELECT s.domain_id FROM spans s WHERE s.id = c.span_id), ''),
    c.period_start, c.project_id, '', c.seconds, c.nano_unit_price, c.nano_amount_high, c.nano_amount, c.rule_digest, c.created_at
  FROM charges c;
DROP TABLE charges;
ALTER TABLE account_charges RENAME TO charges;
CREATE INDEX charges_by_account ON charges (domain_id, period_start);

-- What a resource cost in a period, which lies in one local day.
CREATE TABLE charge_days (
  domain_id TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  resource_id TEXT NOT NULL,
  meter TEXT NOT NULL,
  day TEXT NOT NULL,
  project_id TEXT NOT NULL,
  resource_kind TEXT NOT NULL,
  seconds BIGINT NOT NULL,
  nano_amount_high BIGINT NOT NULL,
  nano_amount BIGINT NOT NULL,
  PRIMARY KEY (domain_id, period_start, resource_id, meter)
);
CREATE INDEX charge_days_by_day ON charge_days (domain_id, day);
