-- Requests with an `Idempotency-Key`, each from before it is done: one that has no status was cut off, or is under way. What
-- was asked is there as a keyed hash alone, since bodies may hold secrets; answers hold none.
CREATE TABLE idempotency (
    -- The digest of the caller's token.
    caller TEXT NOT NULL,
    name TEXT NOT NULL,
    request TEXT NOT NULL,
    began INTEGER NOT NULL,
    status INTEGER,
    etag TEXT,
    content_type TEXT,
    answer TEXT,
    PRIMARY KEY (caller, name)
);
CREATE INDEX idempotency_began ON idempotency (began);
