"""`neural-upscale install` and `uninstall`."""
