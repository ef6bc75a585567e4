-- When a judgement was written, as a number that grows: one that takes another's place has a new one.

ALTER TABLE judgements ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0;

UPDATE judgements SET arrived = n;

CREATE INDEX judgements_arrived ON judgements (arrived);
