-- Times are microseconds since 1970 in BIGINT, ids are UUIDs in TEXT, documents are JSON in TEXT.

CREATE TABLE machine (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- Grows with each write; what a compare-and-set compares.
    version BIGINT NOT NULL,
    -- Grows with each change that a person makes; the ETag.
    generation BIGINT NOT NULL,
    state TEXT NOT NULL,
    spec TEXT NOT NULL,
    want TEXT NOT NULL,
    facts TEXT NOT NULL,
    standing TEXT NOT NULL,
    job TEXT,
    created BIGINT NOT NULL
);

CREATE TABLE machine_mac (
    mac TEXT PRIMARY KEY,
    machine TEXT NOT NULL REFERENCES machine (id) ON DELETE CASCADE
);
CREATE INDEX machine_mac_machine ON machine_mac (machine);

-- The job in hand and those that went before. At most one runs on a machine.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    machine TEXT NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    restarts BIGINT NOT NULL,
    started BIGINT NOT NULL,
    ended BIGINT
);
CREATE UNIQUE INDEX job_running ON job (machine) WHERE ended IS NULL;

CREATE TABLE step (
    job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    name TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    phase TEXT NOT NULL,
    started BIGINT,
    ended BIGINT,
    not_before BIGINT,
    result TEXT,
    PRIMARY KEY (job, seq)
);

-- One machine never has two instances: the unique column is the last word of allocation.
CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    since BIGINT NOT NULL,
    machine TEXT UNIQUE REFERENCES machine (id),
    image TEXT NOT NULL REFERENCES image (id),
    spec TEXT NOT NULL,
    standing TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE image (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,
    status TEXT NOT NULL
);

CREATE TABLE event (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    machine TEXT,
    instance TEXT,
    kind TEXT NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX event_machine ON event (machine, id);
CREATE INDEX event_instance ON event (instance, id);

-- A time in which a machine is expected to netboot our agent. Its token is derived from the id, not stored.
CREATE TABLE boot_window (
    id TEXT PRIMARY KEY,
    mac TEXT NOT NULL,
    machine TEXT REFERENCES machine (id) ON DELETE CASCADE,
    job TEXT,
    epoch BIGINT,
    opened BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    nonce TEXT,
    claimed BIGINT
);
CREATE INDEX boot_window_mac ON boot_window (mac);
CREATE INDEX boot_window_machine ON boot_window (machine);

CREATE TABLE lease (
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    mac TEXT NOT NULL,
    expires BIGINT NOT NULL,
    declined BOOLEAN NOT NULL,
    PRIMARY KEY (network, address)
);
CREATE INDEX lease_mac ON lease (network, mac);

-- AES-256-GCM; the owner and the name are authenticated, so that a row can't be moved to another.
CREATE TABLE secret (
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (owner, name)
);

CREATE TABLE api_token (
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created BIGINT NOT NULL
);
