"""`neural-upscale bench`."""
