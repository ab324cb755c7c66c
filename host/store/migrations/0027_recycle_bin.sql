-- When a server in the recycle bin is deleted for good; 0: it isn't there, or nobody but a person does it.
ALTER TABLE servers ADD COLUMN purge_at BIGINT NOT NULL DEFAULT 0;
