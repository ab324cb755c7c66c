-- Servers whose system disk is being made anew, each with what it becomes once the old disk is gone.
CREATE TABLE rebuilds (
  server_id TEXT PRIMARY KEY,
  -- What the new disk begins as, and what that image names to boot with; '': none
  image_id TEXT NOT NULL,
  kernel_id TEXT NOT NULL,
  ramdisk_id TEXT NOT NULL,
  -- 1: the guest is switched on at the end
  running BIGINT NOT NULL,
  -- Of the guest's administrator, sealed; '': none
  admin_password TEXT NOT NULL,
  -- JSON object: the server's fields that change
  fields TEXT NOT NULL
);
