-- What a personality keeps of its own with a resource, which the core gives no meaning to: a JSON object of personality to its own
-- JSON object. Servers have it from the beginning.
ALTER TABLE networks ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE subnets ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE ports ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE security_groups ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE security_rules ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE images ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE flavors ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE keypairs ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
ALTER TABLE volumes ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}';
