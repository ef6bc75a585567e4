"""The control plane: it learns, tests and publishes, always in another process than the one that forwards."""
