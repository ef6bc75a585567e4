"""Where things last: journal, snapshots and counters behind small interfaces; SQLite by default."""
