"""Metrics of a generator: quality on pictures, the halo of its tiles, and strips to look at."""
