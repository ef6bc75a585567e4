-- What people are asked, what they read (sealed, and forgotten in time), and what they said.

CREATE TABLE questions (
    n          INTEGER PRIMARY KEY,               -- order of arrival
    id         TEXT    NOT NULL UNIQUE,           -- follows from exchange, trial, deployment and arm
    exchange   TEXT    NOT NULL,
    trial      TEXT    NOT NULL,
    feature    TEXT    NOT NULL,
    deployment TEXT    NOT NULL,
    reference  TEXT    NOT NULL,                  -- empty: one answer alone
    arm        TEXT    NOT NULL,
    at_ms      INTEGER NOT NULL,
    machine    REAL,                              -- what the check or the judge said
    worth      REAL    NOT NULL,
    gone_ms    INTEGER                            -- when its material was forgotten
) STRICT;

CREATE INDEX questions_feature ON questions (feature);
CREATE INDEX questions_kept ON questions (feature, at_ms) WHERE gone_ms IS NULL AND worth > 0;

CREATE TABLE materials (
    n    INTEGER PRIMARY KEY REFERENCES questions (n),
    cell BLOB NOT NULL                            -- sealed MessagePack: request, answer, the reference's answer
) STRICT;

CREATE TABLE opinions (
    question TEXT    NOT NULL,
    reviewer TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    said     TEXT    NOT NULL,
    first    TEXT    NOT NULL,                    -- whose answer stood at A
    seconds  REAL    NOT NULL,
    next     REAL    NOT NULL,                    -- the largest priority among the other open questions
    PRIMARY KEY (question, reviewer)
) STRICT, WITHOUT ROWID;
