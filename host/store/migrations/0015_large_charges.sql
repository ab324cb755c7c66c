-- An amount is nano_amount_high * 2^63 + nano_amount.
ALTER TABLE charges ADD COLUMN nano_amount_high BIGINT NOT NULL DEFAULT 0;
