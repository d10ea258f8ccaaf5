"""The Krita 5 plug-in (in `neural_upscale/`, as Krita loads it) and its installer."""
