-- Whether a port is the core's: a server has it, or it carries a public address. What its owner says of its device tells nothing.
ALTER TABLE ports ADD COLUMN of_core BIGINT NOT NULL DEFAULT 0;
UPDATE ports SET of_core = 1 WHERE substr(device_owner, 1, 8) = 'compute:' OR device_owner = 'public-address';
