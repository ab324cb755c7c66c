-- Images. Their bytes stand in files, named by `blob`.
CREATE TABLE images (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT,
    -- queued, saving, active, deactivated
    state TEXT NOT NULL,
    -- public, private, shared, community
    visibility TEXT NOT NULL,
    protected BIGINT NOT NULL,
    hidden BIGINT NOT NULL,
    disk_format TEXT,
    container_format TEXT,
    min_disk_gib BIGINT NOT NULL,
    min_memory_mib BIGINT NOT NULL,
    size BIGINT,
    virtual_size BIGINT,
    -- hex MD5
    checksum TEXT,
    hash_algorithm TEXT,
    hash_value TEXT,
    blob TEXT,
    -- The request that is uploading; empty: none.
    upload TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX images_created ON images (created_at, id);
CREATE INDEX images_owner ON images (owner, created_at, id);
CREATE INDEX images_visibility ON images (visibility, created_at, id);
CREATE INDEX images_name ON images (name, id);
CREATE UNIQUE INDEX images_blob ON images (blob) WHERE blob IS NOT NULL;
CREATE INDEX images_upload ON images (upload) WHERE upload <> '';

CREATE TABLE image_tags (
    image_id TEXT NOT NULL REFERENCES images (id),
    tag TEXT NOT NULL,
    PRIMARY KEY (image_id, tag)
);
CREATE INDEX image_tags_tag ON image_tags (tag, image_id);

CREATE TABLE image_properties (
    image_id TEXT NOT NULL REFERENCES images (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (image_id, name)
);
CREATE INDEX image_properties_value ON image_properties (name, value, image_id);
