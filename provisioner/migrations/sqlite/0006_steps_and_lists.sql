-- A job's steps are a document of the job: they are only ever read and written together, and a step's progress costs one
-- statement instead of one for each step.
ALTER TABLE job ADD COLUMN steps TEXT NOT NULL DEFAULT '[]';

-- Times were microseconds since 1970 in columns, and are RFC 3339 in documents.
UPDATE job SET steps = (
    SELECT json_group_array(json(entry)) FROM (
        SELECT json_object(
            'name', name,
            'attempt', attempt,
            'phase', phase,
            'started', strftime('%Y-%m-%dT%H:%M:%S', started / 1000000, 'unixepoch') || printf('.%06dZ', started % 1000000),
            'ended', strftime('%Y-%m-%dT%H:%M:%S', ended / 1000000, 'unixepoch') || printf('.%06dZ', ended % 1000000),
            'not_before', strftime('%Y-%m-%dT%H:%M:%S', not_before / 1000000, 'unixepoch') || printf('.%06dZ', not_before % 1000000),
            'result', result,
            'asked', strftime('%Y-%m-%dT%H:%M:%S', asked / 1000000, 'unixepoch') || printf('.%06dZ', asked % 1000000)
        ) AS entry
        FROM step WHERE step.job = job.id ORDER BY seq
    )
);
DROP TABLE step;

-- Deletions of machines and of old jobs look for these.
CREATE INDEX job_machine ON job (machine);
CREATE INDEX job_ended ON job (ended) WHERE ended IS NOT NULL;

-- What lists and allocation choose by, out of the documents.
ALTER TABLE machine ADD COLUMN pool TEXT NOT NULL DEFAULT 'default';
ALTER TABLE machine ADD COLUMN owner TEXT;
ALTER TABLE machine ADD COLUMN held BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE machine SET
    pool = json_extract(spec, '$.pool'),
    owner = json_extract(want, '$.owner.instance'),
    held = json_extract(standing, '$.hold') IS NOT NULL;
CREATE INDEX machine_state ON machine (state, name);
CREATE INDEX machine_pool ON machine (pool, name);
CREATE INDEX machine_held ON machine (name) WHERE held;
CREATE INDEX instance_state ON instance (state, name);

-- The window of a job's epoch is asked for at each boot, how many discoveries are open at each strange packet.
CREATE INDEX boot_window_job ON boot_window (job, epoch) WHERE job IS NOT NULL;
CREATE INDEX boot_window_open ON boot_window (expires) WHERE job IS NULL AND claimed IS NULL;
