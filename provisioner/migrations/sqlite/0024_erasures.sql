-- Records of erasures, each with the text of its certificate and the signature over it (base64). Nothing changes or removes
-- one: machine, instance and pool are those of then, and need not be there any more.
CREATE TABLE erasure (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    machine TEXT NOT NULL,
    machine_name TEXT NOT NULL,
    pool TEXT NOT NULL,
    text TEXT NOT NULL,
    signature TEXT NOT NULL,
    -- The key, by its id in erasure_key.
    signed_with TEXT NOT NULL
);
CREATE INDEX erasure_machine ON erasure (machine);
CREATE INDEX erasure_machine_name ON erasure (machine_name);
CREATE INDEX erasure_pool ON erasure (pool, id);
CREATE INDEX erasure_at ON erasure (at);
-- The disks that each tells of, by serial number.
CREATE TABLE erasure_disk (
    serial TEXT NOT NULL,
    erasure TEXT NOT NULL,
    PRIMARY KEY (serial, erasure)
);
-- The public keys that signed them, those of before a rotation of the site key too: 32 bytes of Ed25519 each.
CREATE TABLE erasure_key (
    id TEXT PRIMARY KEY,
    public_key BLOB NOT NULL,
    since BIGINT NOT NULL
);
