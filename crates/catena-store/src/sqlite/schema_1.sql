-- Tells one store from another, also where files were copied or made anew.
CREATE TABLE identity (id INTEGER PRIMARY KEY CHECK (id = 0), store TEXT NOT NULL);
INSERT INTO identity VALUES (0, lower(hex(randomblob(8))));

-- One counter numbers chains, schedules and executions.
CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 0), next INTEGER NOT NULL);
INSERT INTO counter VALUES (0, 1);

-- Every host that ever took the store over; the last one may write.
CREATE TABLE leases (
    lease INTEGER PRIMARY KEY AUTOINCREMENT,
    pid INTEGER NOT NULL,
    boot TEXT NOT NULL,
    at INTEGER NOT NULL
);

-- Records: chains, their versions and the files of their steps.
CREATE TABLE chains (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, latest TEXT NOT NULL);
CREATE TABLE versions (
    digest TEXT PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chains,
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    compiled TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (chain, number)
) WITHOUT ROWID;
CREATE TABLE blobs (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE version_files (
    version TEXT NOT NULL REFERENCES versions,
    blob TEXT NOT NULL REFERENCES blobs,
    PRIMARY KEY (version, blob)
) WITHOUT ROWID;

-- The journal. A row holds the events of one append, a line each; times are microseconds since 1970 UTC.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    execution INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    last INTEGER NOT NULL,
    at INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    actor TEXT NOT NULL,
    events TEXT NOT NULL
);
-- Reads one execution's events in order; makes a second row for a sequence number impossible.
CREATE UNIQUE INDEX journal_execution_seq ON journal (execution, seq);

-- Projections: rebuilt from the journal by `doctor --rebuild`. `seq` and `sum` are the journal's head.
CREATE TABLE executions (
    id INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    version TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    output TEXT,
    error TEXT,
    wake_at INTEGER,
    owned INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    sum INTEGER NOT NULL
);
-- What recovery and `doctor` look through.
CREATE INDEX executions_unfinished ON executions (id) WHERE finished_at IS NULL;
-- The latest executions of a chain.
CREATE INDEX executions_chain ON executions (chain, id);
CREATE TABLE steps (
    execution INTEGER NOT NULL,
    visit INTEGER NOT NULL,
    address TEXT NOT NULL,
    step TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    error TEXT,
    PRIMARY KEY (execution, visit)
) WITHOUT ROWID;

-- A cache of folds.
CREATE TABLE snapshots (execution INTEGER PRIMARY KEY, seq INTEGER NOT NULL, state BLOB NOT NULL);

-- Commands that were acknowledged before their execution could take them.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    execution INTEGER NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL
);
CREATE TABLE start_keys (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    execution INTEGER NOT NULL
) WITHOUT ROWID;
