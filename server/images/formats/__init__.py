"""Each format as it lies on disk: read and written segment by segment, chunk by chunk."""
