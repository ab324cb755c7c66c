-- Bytes that an upload may write, taken from its project's share before they are written; 0: no upload.
ALTER TABLE images ADD COLUMN reserved BIGINT NOT NULL DEFAULT 0;
