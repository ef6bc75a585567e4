-- Scalars and bodies are two tables: reports sum narrow rows and never read past the large ones.

CREATE TABLE exchanges (
    n                    INTEGER PRIMARY KEY,     -- order of arrival
    id                   TEXT    NOT NULL UNIQUE,
    at_ms                INTEGER NOT NULL,
    asked                TEXT    NOT NULL,
    feature              TEXT    NOT NULL,
    outcome              TEXT    NOT NULL,
    status               INTEGER NOT NULL,
    route                TEXT    NOT NULL,
    streamed             INTEGER NOT NULL,
    conversation         TEXT    NOT NULL,
    client_key           TEXT    NOT NULL,
    latency_ms           REAL    NOT NULL,
    first_content_ms     REAL,
    source               TEXT    NOT NULL,
    mode                 TEXT    NOT NULL,        -- of the decision; empty: none was made
    arm                  TEXT    NOT NULL,
    snapshot             TEXT    NOT NULL,
    deployment           TEXT    NOT NULL,        -- of the last attempt; empty: none was made
    input_tokens         INTEGER NOT NULL,        -- tokens and cost are sums over the attempts
    cached_tokens        INTEGER NOT NULL,
    cache_written_tokens INTEGER NOT NULL,
    output_tokens        INTEGER NOT NULL,
    reasoning_tokens     INTEGER NOT NULL,
    cost_nano            INTEGER
) STRICT;

CREATE INDEX exchanges_at ON exchanges (at_ms);
CREATE INDEX exchanges_feature_at ON exchanges (feature, at_ms);

CREATE TABLE bodies (
    n      INTEGER PRIMARY KEY REFERENCES exchanges (n),
    rest   BLOB NOT NULL,                         -- MessagePack: [attempts, decision]
    vector BLOB,                                  -- sealed
    prompt TEXT
) STRICT;

CREATE TABLE judgements (
    n            INTEGER PRIMARY KEY,
    exchange     TEXT    NOT NULL,
    at_ms        INTEGER NOT NULL,
    feature      TEXT    NOT NULL,
    deployment   TEXT    NOT NULL,
    arm          TEXT    NOT NULL,
    score        REAL,
    grader       TEXT    NOT NULL,
    trial        TEXT    NOT NULL,
    usage        BLOB,                            -- MessagePack
    cost_nano    INTEGER,
    grading_nano INTEGER NOT NULL,
    vector       BLOB,                            -- sealed
    note         TEXT    NOT NULL,
    UNIQUE (exchange, trial, deployment, arm)
) STRICT;

CREATE INDEX judgements_at ON judgements (at_ms);
CREATE INDEX judgements_trial_at ON judgements (trial, at_ms);
CREATE INDEX judgements_feature_at ON judgements (feature, at_ms);

CREATE TABLE snapshots (
    number  INTEGER PRIMARY KEY,                  -- the largest one is current
    hash    TEXT    NOT NULL,
    at_ms   INTEGER NOT NULL,
    made_by TEXT    NOT NULL,
    data    BLOB    NOT NULL
) STRICT;

CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
