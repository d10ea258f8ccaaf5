"""What a training minimises, and the feature networks that some of it needs. Knows no training loop."""
