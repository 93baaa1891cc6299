-- People who log in with a name and a password: what they may do is theirs, not their sessions'. The password is an argon2id
-- hash (PHC string). A log-in is known by the hash of its secret, like a token, and ends with its user.
CREATE TABLE local_user (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    pools TEXT,
    password TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    login BIGINT
);
CREATE TABLE login_session (
    digest TEXT PRIMARY KEY,
    name TEXT NOT NULL REFERENCES local_user (name) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX login_session_name ON login_session (name, created);
