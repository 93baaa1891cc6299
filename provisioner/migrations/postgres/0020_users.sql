-- People who log in with a name and a password: what they may do is theirs, not their sessions'. The password is an argon2id
-- hash (PHC string). A log-in is known by the hash of its secret, like a token, and ends with its user.
CREATE TABLE local_user (
    name TEXT COLLATE "C" PRIMARY KEY,
    role TEXT COLLATE "C" NOT NULL,
    pools TEXT COLLATE "C",
    password TEXT COLLATE "C" NOT NULL,
    disabled BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    login BIGINT
);
CREATE TABLE login_session (
    digest TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL REFERENCES local_user (name) ON DELETE CASCADE,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX login_session_name ON login_session (name, created);
