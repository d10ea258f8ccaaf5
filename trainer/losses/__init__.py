"""The losses that a training minimises. Knows no training loop."""
