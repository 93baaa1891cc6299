-- What a token's bearer may do, in which pools (a JSON list; none: all), until when, and when it was used last. Those that
-- there are may do everything, as before. The table is made anew, so that no role is ever given by default; the hash of the
-- secret has another name, so that a replica of the schema before, which would let each of these tokens do everything,
-- finds none.
CREATE TABLE api_token_anew (
    digest TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    role TEXT NOT NULL,
    pools TEXT,
    expires BIGINT,
    used BIGINT
);
INSERT INTO api_token_anew (digest, name, created, role)
SELECT hash, CASE WHEN EXISTS (SELECT 1 FROM api_token AS other WHERE other.name = api_token.name AND other.hash < api_token.hash)
    THEN name || '-' || substr(hash, 1, 8) ELSE name END, created, 'admin' FROM api_token;
DROP TABLE api_token;
ALTER TABLE api_token_anew RENAME TO api_token;
CREATE UNIQUE INDEX api_token_name ON api_token (name);
