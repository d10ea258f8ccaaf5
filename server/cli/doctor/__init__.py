"""`neural-upscale doctor`."""
