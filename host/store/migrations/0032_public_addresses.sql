-- A public address is a resource of its own: where it is from, what it is, and where it leads.
ALTER TABLE public_addresses RENAME COLUMN port_id TO carrier_id;
ALTER TABLE public_addresses ADD COLUMN network_id TEXT NOT NULL DEFAULT '';
ALTER TABLE public_addresses ADD COLUMN address TEXT NOT NULL DEFAULT '';
-- The port that it leads to and the port's address; '': it leads nowhere
ALTER TABLE public_addresses ADD COLUMN port_id TEXT NOT NULL DEFAULT '';
ALTER TABLE public_addresses ADD COLUMN fixed_address TEXT NOT NULL DEFAULT '';
ALTER TABLE public_addresses ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE public_addresses ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE public_addresses ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
ALTER TABLE public_addresses ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
UPDATE public_addresses SET updated_at = created_at,
  network_id = coalesce((SELECT c.network_id FROM ports c WHERE c.id = public_addresses.carrier_id), ''),
  address = coalesce((SELECT a.address FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id
    WHERE a.port_id = public_addresses.carrier_id ORDER BY s.ip_version, a.number LIMIT 1), '');
-- One that a server has leads to the first of its ports that has an address of version 4.
UPDATE public_addresses SET port_id = coalesce((SELECT p.id FROM ports p
    WHERE p.device_id = public_addresses.server_id AND p.of_core = 1 AND EXISTS (SELECT 1 FROM port_addresses a
      JOIN subnets s ON s.id = a.subnet_id WHERE a.port_id = p.id AND s.ip_version = 4)
    ORDER BY p.position, p.id LIMIT 1), '') WHERE server_id <> '';
UPDATE public_addresses SET fixed_address = coalesce((SELECT a.address FROM port_addresses a
    JOIN subnets s ON s.id = a.subnet_id WHERE a.port_id = public_addresses.port_id AND s.ip_version = 4
    ORDER BY a.number LIMIT 1), '') WHERE port_id <> '';
CREATE UNIQUE INDEX public_addresses_by_port ON public_addresses (port_id, fixed_address) WHERE port_id <> '';
