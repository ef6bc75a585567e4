-- One name of a client's may be of several requests: what is said is in force for the exchange that the name stood for.

ALTER TABLE feedback ADD COLUMN target TEXT DEFAULT '';   -- by client_id: the exchange's id, NULL: not known yet

UPDATE feedback SET target = NULL WHERE about = 'client_id';

UPDATE feedback SET target = (
    SELECT id FROM exchanges
    WHERE client_id = feedback.subject AND client_id <> '' AND outcome IN ('ok', 'cut')
        AND (client_key = feedback.client_key OR feedback.client_key = '') AND at_ms <= feedback.at_ms + 300000
    ORDER BY at_ms DESC, n DESC LIMIT 1
) WHERE about = 'client_id' AND state <> 'waiting';

UPDATE feedback SET target = (
    SELECT id FROM exchanges
    WHERE client_id = feedback.subject AND client_id <> '' AND outcome IN ('ok', 'cut')
        AND (client_key = feedback.client_key OR feedback.client_key = '')
    ORDER BY at_ms DESC, n DESC LIMIT 1
) WHERE about = 'client_id' AND state <> 'waiting' AND target IS NULL;

DROP INDEX feedback_in_force;
CREATE UNIQUE INDEX feedback_in_force ON feedback (source, about, subject, kind, event, client_key, target)
    WHERE state <> 'replaced';                            -- of what waits for one name several may be in force
