-- JSON object: the two nodes of a server whose resize goes to another one, and its disks on the way. NULL: it stays on its node.
ALTER TABLE resizes ADD COLUMN moves TEXT;
