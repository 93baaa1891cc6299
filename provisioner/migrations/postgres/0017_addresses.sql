-- Addresses that are taken out of the address plan: a number, once. It is an instance's, with which it goes, or has a name.
CREATE TABLE address (
    address BIGINT PRIMARY KEY NOT NULL,
    network TEXT COLLATE "C" NOT NULL,
    -- As it is written: 10.77.0.0/24.
    subnet TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" UNIQUE,
    instance TEXT COLLATE "C" REFERENCES instance (id) ON DELETE CASCADE,
    interface TEXT COLLATE "C",
    since BIGINT NOT NULL,
    CHECK ((name IS NULL) <> (instance IS NULL))
);
CREATE INDEX address_instance ON address (instance);

-- Whose software carries a virtual address: while there is one, the address can't be released.
CREATE TABLE address_use (
    name TEXT COLLATE "C" NOT NULL REFERENCES address (name),
    instance TEXT COLLATE "C" NOT NULL REFERENCES instance (id) ON DELETE CASCADE,
    PRIMARY KEY (name, instance)
);
CREATE INDEX address_use_instance ON address_use (instance);
