-- The site whose database this is: fingerprints of the site key and of the CA's key. A replica with others must not serve.
CREATE TABLE site (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key_sha256 TEXT NOT NULL,
    ca_sha256 TEXT NOT NULL
);

-- Which process speaks for a replica, and what it tells of itself.
ALTER TABLE replica ADD COLUMN process TEXT;
ALTER TABLE replica ADD COLUMN about TEXT;

-- Of use on PostgreSQL alone.
CREATE UNIQUE INDEX works_term ON works (term);
