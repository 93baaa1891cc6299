-- The schema as the SQLite migrations up to this number make it. Times are microseconds since 1970 in BIGINT, ids are
-- UUIDs in TEXT, documents are JSON in TEXT. Texts are compared byte by byte, as SQLite does, whatever the server's locale.

CREATE TABLE machine (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    -- Grows with each write; what a compare-and-set compares.
    version BIGINT NOT NULL,
    -- Grows with each change that a person makes; the ETag.
    generation BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    spec TEXT COLLATE "C" NOT NULL,
    want TEXT COLLATE "C" NOT NULL,
    facts TEXT COLLATE "C" NOT NULL,
    standing TEXT COLLATE "C" NOT NULL,
    job TEXT COLLATE "C",
    created BIGINT NOT NULL,
    -- What lists and allocation choose by, out of the documents.
    pool TEXT COLLATE "C" NOT NULL DEFAULT 'default',
    owner TEXT COLLATE "C",
    held BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX machine_state ON machine (state, name);
CREATE INDEX machine_pool ON machine (pool, name);
CREATE INDEX machine_held ON machine (name) WHERE held;
-- The machines that nobody has, pool by pool: what allocation goes through.
CREATE INDEX machine_free ON machine (pool, name) WHERE state = 'available' AND owner IS NULL AND NOT held;

CREATE TABLE machine_mac (
    mac TEXT COLLATE "C" PRIMARY KEY,
    machine TEXT COLLATE "C" NOT NULL REFERENCES machine (id) ON DELETE CASCADE
);
CREATE INDEX machine_mac_machine ON machine_mac (machine);

-- Where the machines' BMCs are, one row for each that has an address: two machines at one BMC would switch each other.
CREATE TABLE machine_bmc (
    place TEXT COLLATE "C" PRIMARY KEY,
    machine TEXT COLLATE "C" NOT NULL UNIQUE REFERENCES machine (id) ON DELETE CASCADE
);

-- What the agent found in a machine: the largest part of its facts, which seldom changes.
CREATE TABLE machine_inventory (
    machine TEXT COLLATE "C" PRIMARY KEY REFERENCES machine (id) ON DELETE CASCADE,
    document TEXT COLLATE "C" NOT NULL
);

-- The job in hand and those that went before. At most one runs on a machine.
CREATE TABLE job (
    id TEXT COLLATE "C" PRIMARY KEY,
    machine TEXT COLLATE "C" NOT NULL REFERENCES machine (id) ON DELETE CASCADE,
    kind TEXT COLLATE "C" NOT NULL,
    epoch BIGINT NOT NULL,
    restarts BIGINT NOT NULL,
    started BIGINT NOT NULL,
    ended BIGINT,
    steps TEXT COLLATE "C" NOT NULL DEFAULT '[]'
);
CREATE UNIQUE INDEX job_running ON job (machine) WHERE ended IS NULL;
CREATE INDEX job_machine ON job (machine);
CREATE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL;

CREATE TABLE image (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    spec TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL
);

-- One machine never has two instances: the unique column is the last word of allocation.
CREATE TABLE instance (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    machine TEXT COLLATE "C" UNIQUE REFERENCES machine (id),
    image TEXT COLLATE "C" NOT NULL REFERENCES image (id),
    spec TEXT COLLATE "C" NOT NULL,
    standing TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL
);
CREATE INDEX instance_state ON instance (state, name);
-- Those that an image's deletion has to look for.
CREATE INDEX instance_image ON instance (image);

CREATE TABLE event (
    id TEXT COLLATE "C" PRIMARY KEY,
    at BIGINT NOT NULL,
    machine TEXT COLLATE "C",
    instance TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL,
    message TEXT COLLATE "C" NOT NULL
);
CREATE INDEX event_machine ON event (machine, id) WHERE machine IS NOT NULL;
CREATE INDEX event_instance ON event (instance, id) WHERE instance IS NOT NULL;

-- A time in which a machine is expected to netboot our agent. Its token is derived from the id, not stored.
CREATE TABLE boot_window (
    id TEXT COLLATE "C" PRIMARY KEY,
    mac TEXT COLLATE "C" NOT NULL,
    machine TEXT COLLATE "C" REFERENCES machine (id) ON DELETE CASCADE,
    job TEXT COLLATE "C",
    epoch BIGINT,
    opened BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    nonce TEXT COLLATE "C",
    claimed BIGINT
);
CREATE INDEX boot_window_mac ON boot_window (mac);
CREATE INDEX boot_window_machine ON boot_window (machine);
CREATE INDEX boot_window_job ON boot_window (job, epoch) WHERE job IS NOT NULL;
CREATE INDEX boot_window_open ON boot_window (expires) WHERE job IS NULL AND claimed IS NULL;

-- Boot conversations. The id grows with time: milliseconds since 1970, shifted left by 12 bits, and a number.
CREATE TABLE boot_trace (
    mac TEXT COLLATE "C" NOT NULL,
    id BIGINT NOT NULL,
    entry TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (mac, id)
);
CREATE INDEX boot_trace_id ON boot_trace (id);

-- Leases: times are milliseconds since 1970, IPv4 and hardware addresses are numbers.

-- The replicas that are alive, each until its time is up by the database's clock.
CREATE TABLE replica (
    owner TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL
);

-- Who hands out which addresses. A block is its owner's for as long as the owner is alive.
CREATE TABLE lease_block (
    network TEXT COLLATE "C" NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (network, first)
);

CREATE TABLE lease (
    network TEXT COLLATE "C" NOT NULL,
    address BIGINT NOT NULL,
    mac BIGINT NOT NULL,
    -- 0 leased, 1 released, 2 in quarantine.
    state BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    client_id BYTEA,
    hostname TEXT COLLATE "C",
    relay BIGINT,
    circuit_id BYTEA,
    remote_id BYTEA,
    firmware BOOLEAN NOT NULL,
    PRIMARY KEY (network, address)
);

-- An address that one client always gets.
CREATE TABLE reservation (
    network TEXT COLLATE "C" NOT NULL,
    mac BIGINT NOT NULL,
    address BIGINT NOT NULL,
    PRIMARY KEY (network, mac),
    UNIQUE (network, address)
);

-- Grows with each change of a reservation, so that replicas need not read them all each time.
CREATE TABLE reservation_version (
    version BIGINT NOT NULL
);
INSERT INTO reservation_version (version) VALUES (0);

-- AES-256-GCM; the owner and the name are authenticated, so that a row can't be moved to another.
CREATE TABLE secret (
    owner TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    nonce BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    PRIMARY KEY (owner, name)
);

CREATE TABLE api_token (
    hash TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL
);

-- When a process of the service was last known to listen, in milliseconds since 1970 by the database's clock: silence from
-- then until one listens again is nobody's.
CREATE TABLE alive (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
