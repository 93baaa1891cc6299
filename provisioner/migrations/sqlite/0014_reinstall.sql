-- Of an instance that is being installed anew, the image that it had stays until the new one is written; one that was
-- adopted has none. SQLite can't take a NOT NULL away, so the table is made anew; no other table refers to it.
CREATE TABLE instance_anew (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    since BIGINT NOT NULL,
    machine TEXT UNIQUE REFERENCES machine (id),
    image TEXT REFERENCES image (id),
    image_before TEXT REFERENCES image (id),
    spec TEXT NOT NULL,
    standing TEXT NOT NULL,
    created BIGINT NOT NULL
);
INSERT INTO instance_anew (id, name, version, state, since, machine, image, spec, standing, created)
SELECT id, name, version, state, since, machine, image, spec, standing, created FROM instance;
DROP TABLE instance;
ALTER TABLE instance_anew RENAME TO instance;
CREATE INDEX instance_state ON instance (state, name);
