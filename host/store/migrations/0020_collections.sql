-- Records of collections that plugins declare in their manifests. What of a record is indexed stands in key_0 to key_7, in the order of
-- the declaration, so that a new collection needs no new table.
CREATE TABLE collection_items (
    id TEXT PRIMARY KEY,
    plugin TEXT NOT NULL,
    collection TEXT NOT NULL,
    -- a project, a domain, or '': the cloud
    owner_id TEXT NOT NULL,
    schema_version BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    key_0 TEXT,
    key_1 TEXT,
    key_2 TEXT,
    key_3 TEXT,
    key_4 TEXT,
    key_5 TEXT,
    key_6 TEXT,
    key_7 TEXT,
    body TEXT NOT NULL
);
-- The owner first: what is a project's goes with it.
CREATE INDEX collection_items_by_owner ON collection_items (owner_id, plugin, collection, id);
CREATE INDEX collection_items_by_id ON collection_items (plugin, collection, id);
-- A collection that indexes nothing there has no entries.
CREATE INDEX collection_items_by_key_0 ON collection_items (plugin, collection, key_0, id) WHERE key_0 IS NOT NULL;
CREATE INDEX collection_items_by_key_1 ON collection_items (plugin, collection, key_1, id) WHERE key_1 IS NOT NULL;
CREATE INDEX collection_items_by_key_2 ON collection_items (plugin, collection, key_2, id) WHERE key_2 IS NOT NULL;
CREATE INDEX collection_items_by_key_3 ON collection_items (plugin, collection, key_3, id) WHERE key_3 IS NOT NULL;
CREATE INDEX collection_items_by_key_4 ON collection_items (plugin, collection, key_4, id) WHERE key_4 IS NOT NULL;
CREATE INDEX collection_items_by_key_5 ON collection_items (plugin, collection, key_5, id) WHERE key_5 IS NOT NULL;
CREATE INDEX collection_items_by_key_6 ON collection_items (plugin, collection, key_6, id) WHERE key_6 IS NOT NULL;
CREATE INDEX collection_items_by_key_7 ON collection_items (plugin, collection, key_7, id) WHERE key_7 IS NOT NULL;

-- What no two records of one owner have alike.
CREATE TABLE collection_uniques (
    plugin TEXT NOT NULL,
    collection TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    -- which of the collection's unique keys, and a hash of what the record has there
    place BIGINT NOT NULL,
    value TEXT NOT NULL,
    item_id TEXT NOT NULL,
    PRIMARY KEY (owner_id, plugin, collection, place, value)
);
CREATE INDEX collection_uniques_by_item ON collection_uniques (item_id);

-- What each owner has, so that its bound costs no counting.
CREATE TABLE collection_usage (
    plugin TEXT NOT NULL,
    collection TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    items BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (owner_id, plugin, collection)
);

-- The declaration that the keys were made by.
CREATE TABLE collection_shapes (
    plugin TEXT NOT NULL,
    collection TEXT NOT NULL,
    -- whose its records are
    scope TEXT NOT NULL,
    shape TEXT NOT NULL,
    PRIMARY KEY (plugin, collection)
);
