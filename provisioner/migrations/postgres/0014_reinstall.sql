-- Of an instance that is being installed anew, the image that it had stays until the new one is written; one that was
-- adopted has none.
ALTER TABLE instance ALTER COLUMN image DROP NOT NULL;
ALTER TABLE instance ADD COLUMN image_before TEXT COLLATE "C" REFERENCES image (id);
CREATE INDEX instance_image_before ON instance (image_before) WHERE image_before IS NOT NULL;
