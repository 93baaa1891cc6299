-- The machines that nobody has, pool by pool: what allocation goes through. The instances that wait are found by the unique
-- index of their machine.
CREATE INDEX machine_free ON machine (pool, name) WHERE state = 'available' AND owner IS NULL AND NOT held;
