"""`neural-upscale compare`."""
