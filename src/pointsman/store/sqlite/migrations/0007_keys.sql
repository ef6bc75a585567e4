-- Whom requests are for; the keys that open the gateway and its control API; what was done to the installation, and by whom.

ALTER TABLE exchanges ADD COLUMN customer TEXT NOT NULL DEFAULT '';    -- empty: nobody said

CREATE TABLE keys (
    id      TEXT    PRIMARY KEY,                  -- in clear, part of the key itself
    changed INTEGER NOT NULL UNIQUE,              -- grows with every change of any key
    cell    BLOB    NOT NULL                      -- MessagePack: core.keys.Key, with digests and without secrets
) STRICT;

CREATE TABLE audit (
    n      INTEGER PRIMARY KEY,                   -- from 1, without gaps
    at_ms  INTEGER NOT NULL,
    actor  TEXT    NOT NULL,                      -- cli:USER, key:ID, gateway
    act    TEXT    NOT NULL,
    object TEXT    NOT NULL,
    detail TEXT    NOT NULL,
    link   BLOB    NOT NULL                       -- SHA-256 over the link before and this row
) STRICT;

CREATE INDEX audit_at ON audit (at_ms);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit log is only appended to');
END;
