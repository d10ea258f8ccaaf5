"""The dialog: its window with model list and detail, and the preview."""
