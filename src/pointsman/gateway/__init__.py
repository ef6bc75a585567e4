"""The data plane: it forwards. A decision reads a Snapshot and a State; no database, no network call, no lock."""
