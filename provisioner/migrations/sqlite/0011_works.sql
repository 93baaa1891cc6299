-- Whose turn it is to work, until when by the database's clock in milliseconds since 1970, and whether anybody may: while
-- `frozen` says since when, nothing is switched, written or erased.
CREATE TABLE works (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- Raised by each taking of the turn, never lowered.
    term BIGINT NOT NULL,
    holder TEXT,
    until BIGINT NOT NULL,
    frozen BIGINT,
    frozen_by TEXT,
    frozen_why TEXT
);
INSERT INTO works (one, term, holder, until) VALUES (1, 0, NULL, 0);
