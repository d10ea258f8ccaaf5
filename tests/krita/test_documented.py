"""The Python of docs/krita.md does in real Krita what it says."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from tests.import_graph import ROOT
from tests.krita.krita_session import KritaSession

BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "krita.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_document_shows_python() -> None:
    assert BLOCKS


@pytest.mark.krita
@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_in_the_document_runs_in_the_scripter(krita: KritaSession, block: str) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (31, 43, 3), np.uint8)
    Image.fromarray(pixels).save(krita.work / "documented.png")
    (krita.work / "block.py").write_text(block, encoding="utf-8")
    told = krita.run("documented", opened="documented.png").answers()
    assert told["before"] == [43, 31]
    assert told["size"] == [86, 62]
    assert told["node"] == "Background x2"
    assert "neural_upscale.upscale(" in told["printed"]
