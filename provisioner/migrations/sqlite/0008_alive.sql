-- When a process of the service was last known to listen, in milliseconds since 1970 by the database's clock: silence from
-- then until one listens again is nobody's.
CREATE TABLE alive (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
