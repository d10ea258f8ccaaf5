"""What `neural-upscale` does: each sub-command is a module, imported when its command is run."""

from server.cli.command_line import main

__all__ = ["main"]
