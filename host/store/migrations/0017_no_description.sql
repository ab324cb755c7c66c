-- A domain or project may have no description, which is another thing than an empty one.
ALTER TABLE domains ADD COLUMN described TEXT;
UPDATE domains SET described = description;
ALTER TABLE domains DROP COLUMN description;
ALTER TABLE domains RENAME COLUMN described TO description;
ALTER TABLE projects ADD COLUMN described TEXT;
UPDATE projects SET described = description;
ALTER TABLE projects DROP COLUMN description;
ALTER TABLE projects RENAME COLUMN described TO description;
