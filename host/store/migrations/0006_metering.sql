-- Usage, prices, charges. Money is whole nano-units of the sheet's currency.

CREATE TABLE spans (
  id TEXT PRIMARY KEY,
  project_id TEXT NOT NULL,
  resource_kind TEXT NOT NULL,
  resource_id TEXT NOT NULL,
  meter TEXT NOT NULL,
  class TEXT NOT NULL,
  quantity BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  -- 9223372036854775807: still open
  ended_at BIGINT NOT NULL
);
-- A resource is never metered twice at once.
CREATE UNIQUE INDEX spans_open ON spans (resource_id, meter) WHERE ended_at = 9223372036854775807;
CREATE INDEX spans_by_project ON spans (project_id, ended_at, started_at);
CREATE INDEX spans_by_end ON spans (ended_at, started_at);
CREATE INDEX spans_by_resource ON spans (resource_id, ended_at);

CREATE TABLE price_sheets (
  id TEXT PRIMARY KEY,
  currency TEXT NOT NULL,
  effective_from BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX price_sheets_by_time ON price_sheets (effective_from);

CREATE TABLE prices (
  sheet_id TEXT NOT NULL,
  meter TEXT NOT NULL,
  -- '': every class without a price of its own
  class TEXT NOT NULL,
  nano_per_unit_hour BIGINT NOT NULL,
  PRIMARY KEY (sheet_id, meter, class)
);

CREATE TABLE rating_periods (
  started_at BIGINT PRIMARY KEY,
  ended_at BIGINT NOT NULL,
  sheet_id TEXT NOT NULL,
  -- rating, rated or parked
  state TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  -- '' until rated
  rule_digest TEXT NOT NULL,
  -- why it is parked; '': it isn't
  error TEXT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX rating_periods_by_state ON rating_periods (state, started_at);

CREATE TABLE charges (
  span_id TEXT NOT NULL,
  period_start BIGINT NOT NULL,
  sheet_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  seconds BIGINT NOT NULL,
  nano_unit_price BIGINT NOT NULL,
  nano_amount BIGINT NOT NULL,
  rule_digest TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (span_id, period_start, sheet_id)
);
CREATE INDEX charges_by_project ON charges (project_id, period_start);
CREATE INDEX charges_by_period ON charges (period_start);
