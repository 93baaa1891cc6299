-- Leases that several replicas of the service hand out of one database. Here times are milliseconds since 1970, and
-- IPv4 and hardware addresses are numbers: this table is written at each boot of each machine.

-- The replicas that are alive, each until its time is up by the database's clock.
CREATE TABLE replica (
    owner TEXT PRIMARY KEY,
    until BIGINT NOT NULL
) WITHOUT ROWID;

-- Who hands out which addresses. A block is its owner's for as long as the owner is alive.
CREATE TABLE lease_block (
    network TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (network, first)
) WITHOUT ROWID;

ALTER TABLE lease RENAME TO lease_before;
DROP INDEX lease_mac;

CREATE TABLE lease (
    network TEXT NOT NULL,
    address BIGINT NOT NULL,
    mac BIGINT NOT NULL,
    -- 0 leased, 1 released, 2 in quarantine.
    state SMALLINT NOT NULL,
    expires BIGINT NOT NULL,
    client_id BLOB,
    hostname TEXT,
    relay BIGINT,
    circuit_id BLOB,
    remote_id BLOB,
    firmware BOOLEAN NOT NULL,
    PRIMARY KEY (network, address)
) WITHOUT ROWID;

-- `10.0.0.5` is read as the JSON array [10,0,0,5], `52:54:00:00:00:01` digit by digit.
INSERT INTO lease (network, address, mac, state, expires, firmware)
SELECT
    network,
    json_extract(octets, '$[0]') * 16777216 + json_extract(octets, '$[1]') * 65536
        + json_extract(octets, '$[2]') * 256 + json_extract(octets, '$[3]'),
    (SELECT SUM((instr('0123456789abcdef', substr(digits, value + 1, 1)) - 1) << (4 * (11 - value)))
        FROM json_each('[0,1,2,3,4,5,6,7,8,9,10,11]')),
    CASE WHEN declined THEN 2 ELSE 0 END,
    expires / 1000,
    FALSE
FROM (
    SELECT network, '[' || replace(address, '.', ',') || ']' AS octets, lower(replace(mac, ':', '')) AS digits,
        declined, expires
    FROM lease_before
    WHERE address LIKE '%.%.%.%' AND length(mac) = 17
);

DROP TABLE lease_before;

-- An address that one client always gets.
CREATE TABLE reservation (
    network TEXT NOT NULL,
    mac BIGINT NOT NULL,
    address BIGINT NOT NULL,
    PRIMARY KEY (network, mac),
    UNIQUE (network, address)
) WITHOUT ROWID;

-- Grows with each change of a reservation, so that replicas need not read them all each time.
CREATE TABLE reservation_version (
    version BIGINT NOT NULL
);
INSERT INTO reservation_version (version) VALUES (0);
