"""How fast the real model server enlarges a large layer: started as users start it, asked over its own protocol.

The trainer does not import the server; this is a client of the protocol like any other.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import requests
import torch
from numpy.typing import NDArray
from torch.nn import functional

from trainer.errors import TrainingError
from trainer.gpu.starting import started_server
from trainer.measuring.evaluation import even_picture
from weights import enlarge, load_generator

Pixels = NDArray[np.uint8]
ANSWER_SECONDS = 300.0
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: Its address.
        token: What it wants to hear.
    """

    url: str
    token: str = field(repr=False)

    def upscale(self, pixels: Pixels, model: str) -> tuple[Pixels, float, float]:
        """Send a picture over the raw route.

        Args:
            pixels: (H, W, 3) uint8.
            model: Name of a model.

        Returns:
            (2H, 2W, 3) uint8, seconds until the first bytes, seconds until the last.

        Raises:
            TrainingError: The server answered with an error, or with too little.
        """
        height, width = pixels.shape[:2]
        query = {"width": width, "height": height, "layout": "RGB", "depth": "u8", "model": model}
        started, first, parts = time.perf_counter(), 0.0, []
        with requests.post(
            f"{self.url}/v1/upscale", params=query, data=pixels.tobytes(), headers=self._headers(), stream=True,
            timeout=ANSWER_SECONDS,
        ) as answer:  # fmt: skip
            if answer.status_code != requests.codes.ok:
                raise TrainingError(f"the server answered {answer.status_code} ({answer.text[:200]}), expected pixels")
            for chunk in answer.iter_content(_CHUNK):
                first = first or time.perf_counter() - started
                parts.append(chunk)
        seconds = time.perf_counter() - started
        content = b"".join(parts)
        if len(content) != 4 * pixels.size:
            raise TrainingError(f"the server sent {len(content)} bytes, expected {4 * pixels.size}; see its log")
        return np.frombuffer(content, np.uint8).reshape(2 * height, 2 * width, 3), first, seconds

    def status(self) -> dict[str, Any]:
        """Return what `/v1/status` says."""
        answer = requests.get(f"{self.url}/v1/status", headers=self._headers(), timeout=ANSWER_SECONDS)
        told: dict[str, Any] = answer.json()
        return told

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/octet-stream"}


@contextmanager
def running_server(weights: Path, device: str, log: Path) -> Iterator[Server]:
    """Start the server on a free port of this machine alone, and end it afterwards.

    Args:
        weights: Folder of weights files.
        device: Its `--device`.
        log: File for what it prints.

    Yields:
        The server.

    Raises:
        TrainingError: It does not come up.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        started_server(
            ["--weights", str(weights), "--device", device], Path(folder) / "runtime.json", log, {}
        ) as found,
    ):
        yield Server(found.url, found.token)


def measure_serving(
    path: Path, pixels: Pixels, check: Pixels, device: torch.device, repeats: int, log: Path
) -> dict[str, Any]:
    """Time one weights file in the real server, and compare its answer with the whole picture in one float32 run.

    They differ by the tiles, by half precision and by the server's correction of colours that drifted; the tiles' part
    alone is the halo's error.

    Args:
        path: The weights file; the others in its folder are offered too.
        pixels: The layer to time, (H, W, 3) uint8.
        check: A smaller picture to compare, (H, W, 3) uint8.
        device: Where the server and the comparison run.
        repeats: Times that the layer is sent, after one to warm up.
        log: File for the server's words.

    Returns:
        Figures by name.

    Raises:
        TrainingError: The server does not come up, or fails.
    """
    megapixels = pixels.shape[0] * pixels.shape[1] / 1e6
    with running_server(path.parent, device.type, log) as server:
        warm_up = server.upscale(pixels, path.stem)[2]
        runs = [server.upscale(pixels, path.stem)[1:] for _ in range(repeats)]
        told = server.status()
        tiled = server.upscale(check, path.stem)[0]
    difference = np.abs(tiled.astype(np.int16) - _untiled(path, check, device).astype(np.int16))
    seconds = float(np.median([last for _, last in runs]))
    return {
        "megapixels": megapixels,
        "seconds": round(seconds, 3),
        "seconds_first_time": round(warm_up, 3),
        "seconds_to_first_band": round(float(np.median([first for first, _ in runs])), 3),
        "megapixels_per_second": round(megapixels / seconds, 3),
        "largest_difference_from_one_run": int(difference.max()),
        "mean_difference_from_one_run": round(float(difference.mean()), 5),
        "status": told,
    }


@torch.no_grad()
def _untiled(path: Path, pixels: Pixels, device: torch.device) -> Pixels:
    """Enlarge the mirror-extended picture in one run, float32; (2H, 2W, 3) uint8."""
    loaded = load_generator(path)
    halo, generator = loaded.metadata.halo, loaded.generator.to(device)
    batch = torch.from_numpy(pixels.copy()).to(device).permute(2, 0, 1)[None].float().div_(255)
    whole = enlarge(generator, functional.pad(batch, (halo,) * 4, mode="reflect"))
    inner = whole[0, :, 2 * halo : whole.shape[2] - 2 * halo, 2 * halo : whole.shape[3] - 2 * halo]
    return np.asarray(inner.clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def large_layer(picture: Path, width: int, height: int) -> Pixels:
    """Make a layer of any size of one picture: mirrored beside itself as often as it takes, (H, W, 3) uint8."""
    small = even_picture(picture)
    down, right = (max(0, want - have) for want, have in zip((height, width), small.shape[:2], strict=True))
    return np.ascontiguousarray(np.pad(small, ((0, down), (0, right), (0, 0)), mode="symmetric")[:height, :width])
