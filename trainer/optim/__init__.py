"""Optimizers and how their learning rates change with the steps."""
