"""How good a generator is, how fast, and what it looks like."""
