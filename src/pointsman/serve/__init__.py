"""The composition root: the only place where objects of all floors meet."""
