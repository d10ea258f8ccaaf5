"""Photos → patches: read, cut, numbered, in parallel, restartable. Imports no torch."""
