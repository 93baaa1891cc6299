-- What version 12 of the schema left, on either database: an instance that runs, one that waits, one that is given back.
INSERT INTO image (id, name, spec, status) VALUES ('00000000-0000-0000-0000-000000000001', 'os',
    '{"name":"os","digest":"sha256:00","format":"raw"}',
    '{"imported":"2026-11-20T10:00:00Z","disk_bytes":10,"stored_bytes":10,"chunks":1,"manifest_sha256":"f00d"}');
INSERT INTO machine (id, name, version, generation, state, spec, want, facts, standing, created, pool, owner) VALUES
    ('00000000-0000-0000-0000-000000000001', 'm1', 9, 2, 'deployed', '{"pool":"racks","macs":[],"accepted":true}',
    '{"accepted":true,"bmc":true,"owner":{"instance":"00000000-0000-0000-0000-00000000000a","name":{"name":"web1"},"manifest":"f00d","disk_bytes":10,"root_disk_serial":"S1","release":null},"power":null,"inspect":1,"cancel":0,"retry":0,"maintenance":false,"protected":false,"retired":false}',
    '{"power":[true,"2026-11-20T10:00:00Z"],"bmc_trouble":null,"claim":null,"agent_seen":null,"report":null,"advanced":null,"phoned_home":null,"netboot":null,"listening":null,"counts_from":null,"firmware":null,"bmc_changed":null}',
    '{"name":"deployed","since":"2026-11-20T10:00:00Z","hold":null,"power_wish":0,"inspect":1,"cancel":0,"dirty":true,"epoch":2}',
    1763632800000000, 'racks', '00000000-0000-0000-0000-00000000000a'),
    ('00000000-0000-0000-0000-000000000002', 'm2', 5, 1, 'releasing', '{"pool":"racks","macs":[],"accepted":true}',
    '{"accepted":true,"bmc":true,"owner":{"instance":"00000000-0000-0000-0000-00000000000c","manifest":"f00d","disk_bytes":10,"root_disk_serial":null,"release":"overwrite"},"power":null,"inspect":1,"cancel":0,"retry":0,"maintenance":false,"protected":false,"retired":false}',
    '{"power":[true,"2026-11-20T10:00:00Z"],"bmc_trouble":null,"claim":null,"agent_seen":null,"report":null,"advanced":null,"phoned_home":null,"netboot":null,"listening":null,"counts_from":null,"firmware":null,"bmc_changed":null}',
    '{"name":"releasing","since":"2026-11-20T11:00:00Z","hold":null,"power_wish":0,"inspect":1,"cancel":0,"dirty":true,"epoch":3}',
    1763632800000000, 'racks', '00000000-0000-0000-0000-00000000000c');
INSERT INTO instance (id, name, version, state, since, machine, image, spec, standing, created) VALUES
    ('00000000-0000-0000-0000-00000000000a', 'web1', 7, 'running', 1763636400000000, '00000000-0000-0000-0000-000000000001',
    '00000000-0000-0000-0000-000000000001', '{"image":"os","pool":"racks","ssh_keys":["ssh-ed25519 AAAA"],"erase":"metadata"}',
    '{"release":null,"waiting":null,"held":null,"got":"2026-11-20T10:30:00Z","phoned_home":"2026-11-20T11:00:00Z","host_keys":["k"],"user_data_bytes":5}',
    1763632800000001),
    ('00000000-0000-0000-0000-00000000000b', 'web2', 2, 'pending', 1763632800000002, NULL,
    '00000000-0000-0000-0000-000000000001', '{"image":"os"}',
    '{"release":null,"waiting":["no machine fits","2026-11-20T10:00:00Z"],"held":null,"phoned_home":null,"host_keys":[],"user_data_bytes":null}',
    1763632800000002),
    ('00000000-0000-0000-0000-00000000000c', 'web3', 4, 'releasing', 1763640000000000, '00000000-0000-0000-0000-000000000002',
    '00000000-0000-0000-0000-000000000001', '{"image":"os","erase":"overwrite"}',
    '{"release":"overwrite","waiting":null,"held":null,"phoned_home":null,"host_keys":[],"user_data_bytes":null}',
    1763632800000003);
