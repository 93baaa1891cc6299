-- Since when a person is asked to do a step, microseconds since 1970: a machine whose power nobody but a person can
-- switch (`manual`, `wake-on-lan`).
ALTER TABLE step ADD COLUMN asked BIGINT;
