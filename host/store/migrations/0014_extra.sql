-- Attributes that a face keeps and the core gives no meaning to: JSON objects. What a user is described by and its address for
-- mail are such.
ALTER TABLE domains ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';
ALTER TABLE users ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';
ALTER TABLE roles ADD COLUMN extra TEXT NOT NULL DEFAULT '{}';

UPDATE users SET extra = '{"description":' || CAST(json_quote(description) AS text) || '}'
WHERE description IS NOT NULL AND email IS NULL;
UPDATE users SET extra = '{"email":' || CAST(json_quote(email) AS text) || '}'
WHERE description IS NULL AND email IS NOT NULL;
UPDATE users SET extra = '{"description":' || CAST(json_quote(description) AS text)
  || ',"email":' || CAST(json_quote(email) AS text) || '}'
WHERE description IS NOT NULL AND email IS NOT NULL;
ALTER TABLE users DROP COLUMN description;
ALTER TABLE users DROP COLUMN email;
