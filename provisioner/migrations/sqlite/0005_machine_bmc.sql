-- Where the machines' BMCs are, one row for each that has an address: two machines at one BMC would switch each other.
-- Machines that were added before this table get their row when their BMC is set next.
CREATE TABLE machine_bmc (
    place TEXT PRIMARY KEY,
    machine TEXT NOT NULL UNIQUE REFERENCES machine (id) ON DELETE CASCADE
);
