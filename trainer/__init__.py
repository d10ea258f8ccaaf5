"""The trainer: photos in, weights files out. Importing it does nothing."""
