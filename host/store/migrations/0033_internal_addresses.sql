-- Where the process that drives a node answers what other processes ask about it; empty: nowhere.
ALTER TABLE nodes ADD COLUMN internal_address TEXT NOT NULL DEFAULT '';
