"""What the plug-in costs around the network: 12 megapixels RGBA in 8 bits, in real GIMP, against a server that copies.

The limits are generous, for machines that do other things; docs/gimp.md has the figures of a quiet one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gimp.gimp_session import GimpSession
from tests.hosts.copying_server import copying_server
from tests.hosts.editor_host import EditorHost

pytestmark = [pytest.mark.gimp, pytest.mark.slow]

WIDTH, HEIGHT = 4000, 3000
BYTES = WIDTH * HEIGHT * 4 * 5  # input and output
SCRIPT = f"""
import os, threading

def processor():
    fields = Path(f"/proc/{{os.getppid()}}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")

def watch():
    while True:
        for each in Path("/proc").iterdir():
            try:
                if each.name.isdigit() and b"neural-upscale.py" in (each / "cmdline").read_bytes():
                    line = [l for l in (each / "status").read_text().splitlines() if l.startswith("VmHWM")][0]
                    peak[0] = max(peak[0], int(line.split()[1]) * 1024)
            except (OSError, IndexError):
                pass
        time.sleep(0.05)

peak = [0]
threading.Thread(target=watch, daemon=True).start()
image = Gimp.Image.new({WIDTH}, {HEIGHT}, Gimp.ImageBaseType.RGB)
layer = Gimp.Layer.new(image, "Photo", {WIDTH}, {HEIGHT}, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
image.insert_layer(layer, None, 0)
paint(layer, os.urandom({WIDTH * HEIGHT * 4}))
for output in ("new", "enlarge"):
    begun, spent = time.monotonic(), processor()
    status, made = upscale(image, output=output)
    assert status == "success", made
    answer(output, [status, time.monotonic() - begun, processor() - spent])
answer("memory", peak[0])
"""


def test_twelve_megapixels_cost_little_time_and_memory_around_the_network(
    editor_host: EditorHost, tmp_path: Path
) -> None:
    session = GimpSession.fresh(editor_host, tmp_path)
    with copying_server(tmp_path / "runtime.json") as copied:
        told = session.run(SCRIPT, timeout=600)
    for output, copying in zip(("new", "enlarge"), copied, strict=True):
        status, seconds, processor = told[output]
        print(f"{output}: {seconds - copying:.2f} s on the clock, {processor:.2f} s of processor time")
        assert status == "success"
        assert processor < 8
    print(f"memory: {told['memory'] / 1e6:.0f} MB at most, input and output are {BYTES / 1e6:.0f} MB")
    assert told["memory"] < 3 * BYTES
