-- What is said of pools: machines name theirs by a word, and one that has no row here has no policy. The limit stands beside
-- the document, so that the statement that gives a machine away can hold it.
CREATE TABLE pool (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    spec TEXT COLLATE "C" NOT NULL,
    max_machines BIGINT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    changed BIGINT NOT NULL
);
CREATE INDEX machine_taken ON machine (pool) WHERE owner IS NOT NULL;
