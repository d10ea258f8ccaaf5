"""The dialog: its window with model, detail and output, and the preview."""
