-- What the agent found in a machine, apart from the facts: it is by far the largest part of them and seldom changes, while
-- they are written at each step of a deployment. A table of its own and not a column, because a row is written whole.
CREATE TABLE machine_inventory (
    machine TEXT PRIMARY KEY REFERENCES machine (id) ON DELETE CASCADE,
    document TEXT NOT NULL
);

-- Facts that can't be read stay as they are, and are told of when their machine is looked at.
INSERT INTO machine_inventory (machine, document)
SELECT id, json_extract(facts, '$.inventory') FROM machine
WHERE CASE WHEN json_valid(facts) THEN json_type(facts, '$.inventory') = 'object' ELSE FALSE END;
UPDATE machine SET facts = json_remove(facts, '$.inventory') WHERE json_valid(facts);
