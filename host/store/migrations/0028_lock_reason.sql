-- Whose lock it is (`owner`, `operator`; empty: it is not locked), and why.
ALTER TABLE servers ADD COLUMN locked_by TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN locked_reason TEXT;
