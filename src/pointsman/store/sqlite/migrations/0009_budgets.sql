-- What was used of budgets, and what workers may use of them without asking again.

CREATE TABLE accounts (
    n        INTEGER PRIMARY KEY,
    budget   TEXT    NOT NULL,
    unit     TEXT    NOT NULL,                    -- requests, tokens, usd (in nano-dollars)
    scope    TEXT    NOT NULL,                    -- customer=acme
    began_ms INTEGER NOT NULL,
    ends_ms  INTEGER NOT NULL,
    used     INTEGER NOT NULL DEFAULT 0,          -- of leases that ended
    short_ms INTEGER NOT NULL DEFAULT 0,          -- when somebody last needed more than was left
    UNIQUE (budget, unit, scope, began_ms, ends_ms)
) STRICT;

CREATE INDEX accounts_ends ON accounts (ends_ms);

CREATE TABLE leases (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,    -- never given twice: tallies name leases by it
    account INTEGER NOT NULL REFERENCES accounts (n),
    holder  TEXT    NOT NULL,                     -- the name of its tally
    granted INTEGER NOT NULL,
    used    INTEGER NOT NULL                      -- as last told; the tally knows
) STRICT;

CREATE INDEX leases_account ON leases (account);
CREATE INDEX leases_holder ON leases (holder);
