-- What is said of exchanges later, by whoever uses the answers; and judgements of one answer by several graders.

ALTER TABLE exchanges ADD COLUMN client_id TEXT NOT NULL DEFAULT '';   -- the client's own name for its request

CREATE INDEX exchanges_client ON exchanges (client_id, at_ms) WHERE client_id <> '';
CREATE INDEX exchanges_conversation ON exchanges (conversation, at_ms) WHERE conversation <> '';

CREATE TABLE feedback (
    n          INTEGER PRIMARY KEY,               -- order of arrival
    id         TEXT    NOT NULL,                  -- its sender's name for it
    source     TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    event      TEXT    NOT NULL,
    about      TEXT    NOT NULL,                  -- exchange, client_id, conversation
    subject    TEXT    NOT NULL,                  -- which
    score      REAL    NOT NULL,
    value_nano INTEGER,
    at_ms      INTEGER NOT NULL,                  -- when it was said
    taken_ms   INTEGER NOT NULL,                  -- when it came here
    client_key TEXT    NOT NULL,
    state      TEXT    NOT NULL,                  -- waiting, joined, replaced
    look_ms    INTEGER NOT NULL,                  -- while it waits: when to look for its exchanges next
    exchanges  INTEGER NOT NULL DEFAULT 0,        -- how many it was joined to
    UNIQUE (source, id)
) STRICT;

CREATE UNIQUE INDEX feedback_in_force ON feedback (source, about, subject, kind, event, client_key) WHERE state <> 'replaced';
CREATE INDEX feedback_waiting ON feedback (look_ms) WHERE state = 'waiting';
CREATE INDEX feedback_at ON feedback (at_ms);

CREATE TABLE judgements_by_grader (
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
    weight       REAL    NOT NULL DEFAULT 1.0,
    UNIQUE (exchange, trial, deployment, arm, grader)
) STRICT;

INSERT INTO judgements_by_grader (
    n, exchange, at_ms, feature, deployment, arm, score, grader, trial, usage, cost_nano, grading_nano, vector, note
) SELECT n, exchange, at_ms, feature, deployment, arm, score, grader, trial, usage, cost_nano, grading_nano, vector, note
FROM judgements;

DROP TABLE judgements;
ALTER TABLE judgements_by_grader RENAME TO judgements;

CREATE INDEX judgements_at ON judgements (at_ms);
CREATE INDEX judgements_trial_at ON judgements (trial, at_ms);
CREATE INDEX judgements_feature_at ON judgements (feature, at_ms);
