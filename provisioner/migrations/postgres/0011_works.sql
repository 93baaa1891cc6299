-- Whose turn it is to work, until when by the database's clock in milliseconds since 1970, and whether anybody may: while
-- `frozen` says since when, nothing is switched, written or erased.
CREATE TABLE works (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    -- Raised by each taking of the turn, never lowered.
    term BIGINT NOT NULL,
    holder TEXT COLLATE "C",
    until BIGINT NOT NULL,
    frozen BIGINT,
    frozen_by TEXT COLLATE "C",
    frozen_why TEXT COLLATE "C"
);
INSERT INTO works (one, term, holder, until) VALUES (1, 0, NULL, 0);
