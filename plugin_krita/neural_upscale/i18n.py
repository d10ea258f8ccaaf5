"""How every text for the user is translated and printed: `_` marks and translates it (domain "neural-upscale")."""

from __future__ import annotations

import gettext
import sys
from pathlib import Path

DOMAIN = "neural-upscale"

_ = gettext.translation(DOMAIN, localedir=str(Path(__file__).parent / "locale"), fallback=True).gettext


def say(text: str) -> None:
    """Print a text in the Scripter's output pane, or wherever else output goes; what an encoding lacks is escaped."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))  # noqa: T201
