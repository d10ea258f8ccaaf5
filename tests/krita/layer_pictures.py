"""The layers of scripts/kinds.py as arrays: what they show before, and what the script saved of them afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

SEEN = 340, 260, -40, -40  # width, height and corner of what the script saves of a layer

Picture = npt.NDArray[np.uint8]


def picture() -> Picture:
    """40×30 BGRA with structure in every channel and a hole."""
    rows, columns = np.mgrid[0:30, 0:40]
    made = np.stack([127 + 120 * np.sin(rows / (2 + each) + columns / (4 - each)) for each in range(3)], axis=2)
    alpha = np.full((30, 40, 1), 255.0)
    alpha[12:18, 20:28] = 0
    alpha[18:22, 20:28] = 100
    return np.concatenate([made, alpha], axis=2).astype(np.uint8)


def play(krita: KritaSession, scenarios: Sequence[str]) -> dict[str, Any]:
    """Run the scenarios in Krita, each in a fresh document; what the script told of them by their names."""
    (krita.work / "picture.bin").write_bytes(picture().tobytes())
    Image.fromarray(picture()[:, :, [2, 1, 0, 3]], "RGBA").save(krita.work / "picture.png")
    return krita.run("kinds", parameters={"scenarios": scenarios}).answers()


def saved(krita: KritaSession, name: str) -> Picture:
    width, height, *_ = SEEN
    return np.frombuffer((krita.work / name).read_bytes(), np.uint8).reshape(height, width, 4)


def part(seen: Picture, x: int, y: int, width: int, height: int) -> Picture:
    return seen[y + 40 : y + 40 + height, x + 40 : x + 40 + width]


def answered(server: ModelServer, low_res: Picture, size: tuple[int, int] | None = None) -> Picture:
    """What the server makes of a picture: twice as large, or of `size` (width, height)."""
    height, width, _ = low_res.shape
    across, down = size or (2 * width, 2 * height)
    given = {} if size is None else {"out_width": across, "out_height": down}
    pixels = np.ascontiguousarray(low_res).tobytes()
    answer = server.upscale(pixels, width, height, "BGRA", "u8", model="fixed", **given)
    return np.frombuffer(answer, np.uint8).reshape(down, across, 4)


def check_undo(key: str, found: dict[str, Any]) -> None:
    """Hold a scenario against the rule that one undo brings its document back, and that a new document needs none."""
    assert "fault" not in found, found["fault"]
    compared = ("undone", "tree_before", "tree_undone")
    assert found["undone"] == [True, True, True, True], {name: found[name] for name in compared}
    touched = not key.startswith("new")
    assert found["undo_steps"] == touched, key
    expected = ["Undo once to go back."] if touched else []
    assert [each for each in found["sentences"] if each.startswith("Undo")] == expected
