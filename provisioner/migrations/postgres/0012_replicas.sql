-- The site whose database this is: fingerprints of the site key and of the CA's key. A replica with others must not serve.
CREATE TABLE site (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    key_sha256 TEXT COLLATE "C" NOT NULL,
    ca_sha256 TEXT COLLATE "C" NOT NULL
);

-- Which process speaks for a replica, and what it tells of itself.
ALTER TABLE replica ADD COLUMN process TEXT COLLATE "C";
ALTER TABLE replica ADD COLUMN about TEXT COLLATE "C";

-- With it whoever raises the term waits for transactions that read it FOR KEY SHARE, and renewing a lease does not.
CREATE UNIQUE INDEX works_term ON works (term);
