"""Every colour space in real Krita: what is sent, what comes back, where it lies, and undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = pytest.mark.krita

WIDTH, HEIGHT = 33, 27
TYPES = {"U8": np.uint8, "U16": np.uint16, "F16": np.float16, "F32": np.float32}
FULL = {"U8": 255, "U16": 65535, "F16": 1, "F32": 1}
SRGB, LINEAR = "sRGB-elle-V2-srgbtrc.icc", "sRGB-elle-V2-g10.icc"


@dataclass(frozen=True)
class Row:
    """A colour space, the format in which it must be sent, and the tolerance of what comes back (of 1)."""

    model: str
    depth: str
    profile: str
    layout: str
    transfer: str = "perceptual"
    tolerance: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.model}-{self.depth}-{self.profile.partition('.')[0].replace(' ', '')}"

    @property
    def is_converted(self) -> bool:
        return self.model not in ("RGBA", "GRAYA")


ROWS = [
    Row("RGBA", "U8", SRGB, "BGRA"),
    Row("RGBA", "U16", SRGB, "BGRA"),
    Row("RGBA", "U16", LINEAR, "BGRA", "linear"),
    Row("RGBA", "F16", SRGB, "RGBA"),
    Row("RGBA", "F16", LINEAR, "RGBA", "linear"),
    Row("RGBA", "F32", SRGB, "RGBA"),
    Row("RGBA", "F32", LINEAR, "RGBA", "linear"),
    Row("RGBA", "U16", "ClayRGB-elle-V4-srgbtrc.icc", "BGRA"),
    Row("RGBA", "U16", "LargeRGB-elle-V2-g22.icc", "BGRA"),
    Row("RGBA", "F32", "ACEScg-elle-V4-g10.icc", "RGBA", "linear"),
    Row("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc", "GRAYA"),
    Row("GRAYA", "U16", "Gray-D50-elle-V2-srgbtrc.icc", "GRAYA"),
    Row("GRAYA", "U16", "Gray-D50-elle-V2-g10.icc", "GRAYA", "linear"),
    Row("GRAYA", "F16", "Gray-D50-elle-V2-g10.icc", "GRAYA", "linear"),
    Row("GRAYA", "F32", "Gray-D50-elle-V2-g22.icc", "GRAYA"),
    Row("CMYKA", "U8", "Artifex CMYK SWOP Profile", "RGBA", tolerance=0.02),
    Row("CMYKA", "U16", "Artifex CMYK SWOP Profile", "RGBA", tolerance=0.02),
    Row("LABA", "U16", "Lab identity built-in", "RGBA", tolerance=0.02),
    Row("XYZA", "F32", "XYZ identity built-in", "RGBA", tolerance=0.02),
    Row("YCbCrA", "U8", "ITU-R BT.709-6 YCbCr ICC V4 profile", "RGBA", tolerance=0.03),
]
CONVERTED = [row for row in ROWS if row.is_converted]
AS_NEW = [row for row in ROWS if row.key in ("RGBA-U16-sRGB-elle-V2-g10", "RGBA-F32-ACEScg-elle-V4-g10")] + [
    row for row in ROWS if (row.model, row.depth) in (("GRAYA", "F32"), ("CMYKA", "U16"))
]
CHANNELS = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4, "XYZA": 4, "YCbCrA": 4}


def sample(row: Row) -> npt.NDArray[Any]:
    """A smooth picture within what all colour spaces can hold; alpha with a soft and a clear part."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] / 30
    channels = CHANNELS[row.model]
    picture = np.stack([0.45 + 0.12 * np.sin(3 * rows + number + 2 * columns) for number in range(channels)], axis=2)
    if row.model == "XYZA":
        picture[:, :, :3] = picture[:, :, 1:2] * np.array([0.95, 1.0, 0.82]) * 0.5
    if row.model in ("LABA", "YCbCrA"):
        picture[:, :, 1:3] = 0.5 + (picture[:, :, 1:3] - 0.45) / 4
    alpha = np.ones((HEIGHT, WIDTH))
    if not row.is_converted:
        alpha[8:12, 8:16] = 0.5
        alpha[14:20, 14:20] = 0
    picture[:, :, -1] = alpha
    if row.model == "CMYKA":  # Krita separates it: see the script
        return np.dstack([picture[:, :, :3], alpha]).astype(np.float32)
    full = FULL[row.depth]
    return (np.round(picture * full) if full > 1 else picture).astype(TYPES[row.depth])


def bands(row: Row) -> npt.NDArray[Any]:
    """Four flat bands, 32×32 each, opaque; among them colours that sRGB does not hold."""
    share = {
        "CMYKA": [(0.35, 0.34, 0.25, 0.1), (1, 0, 0, 0), (0, 0.9, 0.9, 0), (0.1, 0, 1, 0)],
        "YCbCrA": [(0.35, 0.52, 0.45), (0.6, 0.3, 0.4), (0.3, 0.7, 0.5), (0.8, 0.45, 0.55)],
        "LABA": [(0.4, 0.5, 0.55), (0.6, 0.2, 0.6), (0.5, 0.75, 0.7), (0.9, 0.5, 0.5)],
        "XYZA": [(0.19, 0.2, 0.16), (0.1, 0.3, 0.1), (0.4, 0.2, 0.02), (0.8, 0.85, 0.7)],
    }[row.model]
    line = np.array([(*each, 1) for each in share], np.float64).repeat(32, axis=0)
    full = FULL[row.depth]
    picture = np.broadcast_to(np.round(line * full) if full > 1 else line, (32, *line.shape))
    return picture.astype(TYPES[row.depth])


@pytest.mark.parametrize("factor", [2, 2.5])
@pytest.mark.parametrize("row", CONVERTED, ids=lambda row: row.key)
def test_flat_areas_keep_their_colour_in_spaces_that_the_server_does_not_take(
    row: Row, factor: float, told: dict[str, Any], krita: KritaSession
) -> None:
    after = np.frombuffer((krita.work / f"{row.key}.bands.{factor}").read_bytes(), TYPES[row.depth])
    side = int(32 * factor)
    after = after.reshape(side, 4 * side, -1).astype(float) / FULL[row.depth]
    before = bands(row).astype(float) / FULL[row.depth]
    middle = slice(side * 3 // 8, side * 5 // 8)
    for band in range(4):
        shift = after[middle, side * band :][:, middle].mean(axis=(0, 1)) - before[0, 32 * band]
        assert abs(shift).max() <= 1 / 255, f"band {band}: {shift * 255} of 255"


@pytest.fixture(scope="module")
def told(krita: KritaSession) -> dict[str, Any]:
    rows = []
    for row in ROWS:
        (krita.work / f"{row.key}.bin").write_bytes(sample(row).tobytes())
        rows.append(
            {
                "key": row.key, "file": f"{row.key}.bin", "model": row.model, "depth": row.depth,
                "profile": row.profile, "new": row in AS_NEW,
            }
        )  # fmt: skip
        if row in CONVERTED:
            (krita.work / f"{row.key}.bands").write_bytes(bands(row).tobytes())
            rows[-1]["bands"] = f"{row.key}.bands"
    return krita.run("spaces", parameters={"rows": rows}).answers()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_colour_space_is_sent_as_it_is_and_comes_back_in_its_place(
    row: Row, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    found = told[row.key]
    assert found["read_back"]
    assert found["format"] == [row.layout, "f32" if row.is_converted else row.depth.lower(), row.transfer]
    assert found["bounds"] == [12, 10, 66, 54]
    assert found["canvas"] == [96, 80]
    assert (found["resolution"], found["guides"]) == (144.0, [20.0])
    assert (found["profile"], found["document_profile"]) == (row.profile, row.profile)
    assert bool(found["notices"]) == row.is_converted
    layout, depth, transfer = found["format"]
    sent = (krita.work / f"{row.key}.sent").read_bytes()
    answer = model_server.upscale(sent, WIDTH, HEIGHT, layout, depth, transfer=transfer, model="fixed")
    after = (krita.work / f"{row.key}.after").read_bytes()
    if not row.is_converted:
        assert after == answer
        return
    # An independent look at what was converted there and back: reduced by 2, it is the picture that was sent.
    enlarged = np.frombuffer(after, TYPES[row.depth]).reshape(2 * HEIGHT, 2 * WIDTH, -1).astype(float) / FULL[row.depth]
    reduced = enlarged.reshape(HEIGHT, 2, WIDTH, 2, -1).mean(axis=(1, 3))
    before = np.frombuffer((krita.work / f"{row.key}.before").read_bytes(), TYPES[row.depth]).reshape(HEIGHT, WIDTH, -1)
    difference = np.abs(reduced - before.astype(float) / FULL[row.depth])
    assert difference.mean() < row.tolerance, f"mean {difference.mean(axis=(0, 1))}, largest {difference.max():.4f}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_undo_restores_pixels_size_and_layers(row: Row, told: dict[str, Any]) -> None:
    assert told[row.key]["undone"]


@pytest.mark.parametrize("row", AS_NEW, ids=lambda row: row.key)
def test_new_document_keeps_colour_space_resolution_and_guides(
    row: Row, told: dict[str, Any], krita: KritaSession
) -> None:
    found = told[row.key]["new"]
    assert found["space"] == [row.model, row.depth, row.profile]
    assert (found["canvas"], found["resolution"], found["guides"]) == ([96, 80], 144.0, [20.0])
    assert found["bounds"] == [12, 10, 66, 54]
    assert found["untouched"]
    assert found["entry"], "no undo step came to the user's document"
    assert (krita.work / f"{row.key}.new").read_bytes() == (krita.work / f"{row.key}.after").read_bytes()
