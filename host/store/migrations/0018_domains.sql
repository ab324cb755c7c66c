-- What belongs to a project also says the project's domain ('' where the project is gone), so that what a whole domain has is found
-- by an index. A project never changes its domain.
ALTER TABLE servers ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE volumes ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE public_addresses ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE networks ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE subnets ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE ports ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE security_groups ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE security_rules ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE routers ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';

UPDATE servers SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = servers.project_id), '');
UPDATE volumes SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = volumes.project_id), '');
UPDATE public_addresses
  SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = public_addresses.project_id), '');
UPDATE operations SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = operations.project_id), '');
UPDATE images SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = images.owner), '');
UPDATE networks SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = networks.project_id), '');
UPDATE subnets SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = subnets.project_id), '');
UPDATE ports SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = ports.project_id), '');
UPDATE security_groups
  SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = security_groups.project_id), '');
UPDATE security_rules
  SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = security_rules.project_id), '');
UPDATE routers SET domain_id = coalesce((SELECT p.domain_id FROM projects p WHERE p.id = routers.project_id), '');

CREATE INDEX servers_by_domain ON servers (domain_id, deleted, created_at DESC, id DESC);
CREATE INDEX volumes_by_domain ON volumes (domain_id, created_at DESC, id DESC);
CREATE INDEX operations_domain ON operations (domain_id, created_at DESC, id DESC);
CREATE INDEX images_domain ON images (domain_id, created_at DESC, id DESC);
CREATE INDEX networks_domain ON networks (domain_id, id);
CREATE INDEX subnets_domain ON subnets (domain_id, id);
CREATE INDEX ports_domain ON ports (domain_id, id);
CREATE INDEX security_groups_domain ON security_groups (domain_id, id);
CREATE INDEX security_rules_domain ON security_rules (domain_id, id);
CREATE INDEX routers_domain ON routers (domain_id, id);
