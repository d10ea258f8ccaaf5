"""The sub-commands of `neural-upscale`; each module is imported when its command is run."""
