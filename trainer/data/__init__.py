"""From photos to batches: patches on disk, how they are read, and what is cut from them for each step."""
