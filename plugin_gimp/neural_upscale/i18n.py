"""The way every text for the user takes to its translation: `_` marks and translates it (domain "neural-upscale")."""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "neural-upscale"

_ = gettext.translation(DOMAIN, localedir=str(Path(__file__).parent / "locale"), fallback=True).gettext
