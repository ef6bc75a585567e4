-- One line a call, chained: hash = SHA-256(hash of the line before it, line). Lines are added and never touched again.

CREATE TABLE ledger (
    n    INTEGER PRIMARY KEY,                     -- from 1, without a gap
    line TEXT NOT NULL,                           -- JSON: core/ledger.Line
    hash BLOB NOT NULL
) STRICT;

CREATE TRIGGER ledger_unchanged BEFORE UPDATE ON ledger BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_kept BEFORE DELETE ON ledger BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
