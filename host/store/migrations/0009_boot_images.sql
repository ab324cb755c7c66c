-- Images that a server boots with, beside those that its disks began as: what its image named when the server was made.
CREATE TABLE boot_images (
  server_id TEXT NOT NULL,
  -- kernel or ramdisk
  part TEXT NOT NULL,
  image_id TEXT NOT NULL,
  PRIMARY KEY (server_id, part)
);
CREATE INDEX boot_images_by_image ON boot_images (image_id);

-- Servers made before: what their image names now, where their project may use it.
INSERT INTO boot_images (server_id, part, image_id)
  SELECT s.id, CASE p.name WHEN 'kernel_id' THEN 'kernel' ELSE 'ramdisk' END, i.id
  FROM servers s
  JOIN image_properties p ON p.image_id = s.image_id AND p.name IN ('kernel_id', 'ramdisk_id')
  JOIN images i ON i.id = p.value AND (i.owner = s.project_id OR i.visibility IN ('public', 'community'))
  WHERE s.deleted = 0;
