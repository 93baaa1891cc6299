-- Requests with an `Idempotency-Key`, each from before it is done: one that has no status was cut off, or is under way. What
-- was asked is there as a keyed hash alone, since bodies may hold secrets; answers hold none.
CREATE TABLE idempotency (
    -- The digest of the caller's token.
    caller TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    request TEXT COLLATE "C" NOT NULL,
    began BIGINT NOT NULL,
    status BIGINT,
    etag TEXT COLLATE "C",
    content_type TEXT COLLATE "C",
    answer TEXT COLLATE "C",
    PRIMARY KEY (caller, name)
);
CREATE INDEX idempotency_began ON idempotency (began);
