"""The real model server for the editors' tests: `python -m server` with small generators of fixed seeds.

The pair `fixed` (fixed-faithful, fixed-detailed) is made anew for each session, so that `detail` has something to do,
the family `whole`, which has all four files and so takes `cleanup` too, and `slow`, which takes many seconds for a
megapixel on a CPU, so that there is time to cancel; the shipped weights are there as well.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.hosts.started_server import started_server

PAIR = "fixed"
FAMILY = "whole"
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class ModelServer:
    """A running server.

    Attributes:
        url: its address.
        token: what it wants to hear.
        process: the process; a test may end it.
        log: the file that its output goes to.
        runtime: the runtime file that it wrote itself.
    """

    url: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes]
    log: Path
    runtime: Path

    def announce(self, folder: Path) -> Path:
        """Write a runtime file for a client in the editors' system, which does not see this machine's process ids."""
        path = folder / "runtime.json"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(json.dumps({"url": self.url, "token": self.token, "pid": 0, "version": "test"}))
        return path

    def upscale(self, pixels: bytes, width: int, height: int, layout: str, depth: str, **query: Any) -> bytes:
        """Ask for ×2 pixels over the raw route, independently of the client under test."""
        answer = requests.post(
            f"{self.url}/v1/upscale",
            params={"width": width, "height": height, "layout": layout, "depth": depth, **query},
            data=pixels,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/octet-stream"},
            timeout=120,
        )
        assert answer.status_code == 200, answer.text
        return answer.content

    def get(self, route: str) -> Any:
        """Ask one of the JSON routes."""
        answer = requests.get(f"{self.url}{route}", headers={"Authorization": f"Bearer {self.token}"}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


def make_models(folder: Path) -> None:
    """Save `fixed` and `whole`, small generators of one configuration with differing parameters, and `slow`."""
    import torch

    import weights
    from weights.generators.compact import Compact, CompactConfig
    from weights.generators.espcn import Espcn, EspcnConfig

    names = [f"{PAIR}-faithful", f"{PAIR}-detailed"]
    names += [f"{FAMILY}-{ending}" for ending in ("faithful", "detailed", "clean", "clean-detailed")]
    for number, name in enumerate(names):
        torch.manual_seed(number + 1)
        generator = Espcn(EspcnConfig(features=8, narrow_features=8)).eval()
        with torch.no_grad():
            generator.tail.weight.mul_(0.3)
            generator.tail.bias.mul_(0.0)  # type: ignore[union-attr,unused-ignore]
        title = name.replace("-", " ", 1)
        told = weights.WeightsMetadata("espcn", {}, weights.SCALE, halo=generator.receptive_radius, title=title)
        weights.save_generator(generator, told, folder / f"{name}.safetensors")
    torch.manual_seed(3)
    slow = Compact(CompactConfig(features=96, layers=30)).eval()
    told = weights.WeightsMetadata("compact", {}, weights.SCALE, halo=slow.receptive_radius, title="slow")
    weights.save_generator(slow, told, folder / "slow.safetensors")


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[ModelServer]:
    """Run a server with its files in `folder`; ends it afterwards."""
    runtime, log = folder / "server-runtime.json", folder / "server.log"
    models = folder / "weights"
    if not models.is_dir():
        models.mkdir(parents=True)
        make_models(models)
    environment = {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    with started_server(["--weights", str(models), *flags], runtime, log, environment, PROJECT) as found:
        yield ModelServer(found.url, found.token, found.process, log, runtime)


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    """A real server with the shipped weights and the pair `fixed`, for the whole session."""
    with tempfile.TemporaryDirectory(prefix="neural-upscale-server-") as folder, serving(Path(folder)) as server:
        yield server
