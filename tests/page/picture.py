"""docs/images/page.jpg: the page with a photo enlarged on it, for the README. `make pictures` runs it.

python -m tests.page.picture
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.import_graph import ROOT
from tests.page.browser import browsing, obstacle, wait_until

PHOTO, PICTURE = ROOT / "docs" / "images" / "photo.jpg", ROOT / "docs" / "images" / "page.jpg"
WIDTH, HEIGHT = 1240, 836  # pixels: to where the picture ends
PATIENCE = 300  # seconds


def main() -> int:
    """Write the picture; the exit code is 1 where there is no Chromium."""
    if reason := obstacle():
        sys.stderr.write(f"{PICTURE.name} stays as it is: {reason}\n")
        return 1
    program = Path(sys.executable).with_name("neural-upscale")
    told = subprocess.run([program, "open", "--print"], check=True, capture_output=True, text=True, timeout=PATIENCE)
    with tempfile.TemporaryDirectory() as folder, browsing(Path(folder) / "browser") as page:
        page.measure(WIDTH, HEIGHT)
        page.open(told.stdout.strip())
        wait_until(lambda: page.run("return document.querySelectorAll('#model option').length"), "the models")
        page.hand_over("drop", PHOTO, "image/jpeg")
        page.click("#start")
        wait_until(lambda: page.is_shown("#result") or page.is_shown("#problem"), "the result", PATIENCE)
        wait_until(lambda: "ready" in page.text("#server-line"), "the server to be done", PATIENCE)
        page.run("document.querySelector('#result-title').blur()")
        shot = Image.open(io.BytesIO(page.pixels()))
    sibling = PICTURE.with_suffix(".new")
    shot.convert("RGB").save(sibling, "JPEG", quality=90, subsampling=0, optimize=True)
    sibling.replace(PICTURE)
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
