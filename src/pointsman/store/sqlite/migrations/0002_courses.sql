-- Chance decides for whole conversations: the id of the exchange that began one; empty: the exchange's own.
ALTER TABLE exchanges ADD COLUMN course TEXT NOT NULL DEFAULT '';
