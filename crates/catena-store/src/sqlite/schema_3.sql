-- Results that hold for the same step, input and files again.
CREATE TABLE cache (
    key TEXT PRIMARY KEY,
    execution INTEGER NOT NULL,
    at INTEGER NOT NULL,
    result TEXT NOT NULL
);

-- Which execution has taken over the duty to undo what another one has done: one at the most.
CREATE TABLE legacies (
    source INTEGER PRIMARY KEY,
    heir INTEGER NOT NULL
);
