-- Chains become records of their own: what they are, who made them, whether they may start by themselves.
ALTER TABLE chains ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE chains ADD COLUMN description TEXT;
ALTER TABLE chains ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
ALTER TABLE chains ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chains ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE chains ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
UPDATE chains SET
    created_at = coalesce((SELECT v.created_at FROM versions v WHERE v.chain = chains.id ORDER BY number LIMIT 1), 0),
    created_by = coalesce((SELECT v.created_by FROM versions v WHERE v.chain = chains.id ORDER BY number LIMIT 1), ''),
    updated_at = coalesce((SELECT max(v.created_at) FROM versions v WHERE v.chain = chains.id), 0),
    description = (SELECT json_extract(v.compiled, '$.description') FROM versions v WHERE v.digest = latest),
    labels = coalesce((SELECT json_extract(v.compiled, '$.labels') FROM versions v WHERE v.digest = latest), '{}');

-- When executions of a chain start by themselves. Every instant up to `considered_until` has its row among the fires.
CREATE TABLE schedules (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    definition TEXT NOT NULL,
    anchor INTEGER NOT NULL,
    params TEXT NOT NULL,
    status TEXT NOT NULL,
    considered_until INTEGER NOT NULL,
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL
);
-- The schedules of a chain; one at a time in each place of its definition.
CREATE UNIQUE INDEX schedules_chain ON schedules (chain, ordinal) WHERE status <> 'ended';

-- What became of each instant. `trigger_id` tells apart what a person asked for from what the schedule says.
CREATE TABLE fires (
    id INTEGER PRIMARY KEY,
    schedule INTEGER NOT NULL REFERENCES schedules,
    at INTEGER NOT NULL,
    trigger_id INTEGER NOT NULL,
    until INTEGER,
    count INTEGER,
    kind TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    note TEXT,
    execution INTEGER,
    decided_at INTEGER NOT NULL,
    decided_by TEXT NOT NULL
);
-- One row for each instant and trigger.
CREATE UNIQUE INDEX fires_instant ON fires (schedule, at, trigger_id);
-- An instant starts at most one execution, whatever asked for it.
CREATE UNIQUE INDEX fires_execution_once ON fires (schedule, at) WHERE execution IS NOT NULL AND kind <> 'run_now';
-- What waits for an execution to end.
CREATE INDEX fires_waiting ON fires (schedule, id) WHERE outcome = 'waiting';
-- Which schedule an execution belongs to.
CREATE INDEX fires_execution ON fires (execution) WHERE execution IS NOT NULL;
