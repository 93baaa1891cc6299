-- Boot conversations, so that they survive a restart: a bounded number for each MAC address, of what firmware, loaders
-- and agents did; plain DHCP of operating systems is kept in memory only. The id grows with time:
-- milliseconds since 1970, shifted left by 12 bits, and a number.
CREATE TABLE boot_trace (
    mac TEXT NOT NULL,
    id BIGINT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (mac, id)
);
CREATE INDEX boot_trace_id ON boot_trace (id);
