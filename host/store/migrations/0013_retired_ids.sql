-- Ids of what is gone, which nobody may take again; for ever.
CREATE TABLE retired_ids (
    -- e.g. image
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
