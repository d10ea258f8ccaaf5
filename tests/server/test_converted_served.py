"""Networks of other projects, converted and asked for over HTTP: the pixels are those of the library itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import weights
from server.conversion.convert import Origin, convert
from server.conversion.reading import read_tensors
from server.pipeline.tiling import GRAIN
from server.pixels import colour_correction, transfer
from tests.hosts.model_server import ModelServer, serving
from tests.server.foreign_networks import ModelLoader, save_foreign
from tests.server.in_process import photo_like

pytestmark = pytest.mark.slow
HEIGHT, WIDTH = 37, 45  # no multiples of anything
ENDINGS = (".pth", ".safetensors")
NETWORKS = ("SPAN", "PLKSR", "MoSR", "HAT", "SwinIR", "OmniSR", "RCAN", "Compact")  # the last one ×3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server whose folder of weights is empty: what is converted into it is found while it runs."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "weights").mkdir()
    with serving(folder, "--dtype", "float32") as running:
        yield running


@pytest.mark.parametrize(("name", "ending"), list(zip(NETWORKS, 4 * ENDINGS, strict=True)))
def test_a_converted_network_gives_its_librarys_pixels_over_http(
    server: ModelServer, tmp_path: Path, name: str, ending: str
) -> None:
    source, target = save_foreign(name, tmp_path / f"{name}{ending}"), server.log.parent / f"weights/{name}.safetensors"
    (told,) = convert([source], [target], Origin(licence="MIT", link=f"https://example.org/{name}"))
    picture = photo_like(HEIGHT, WIDTH)
    raw = server.upscale(picture.tobytes(), WIDTH, HEIGHT, "RGB", "f32", model=name)
    found = np.frombuffer(raw, np.float32).reshape(2 * HEIGHT, 2 * WIDTH, 3)
    assert np.abs(found - by_the_library(source, told.halo, picture)).max() <= 1 / 255
    assert np.abs(found - picture.repeat(2, 0).repeat(2, 1)).max() > 8 / 255, "the network has no say in it"
    listed = server.get("/v1/models")
    (model,) = [each for each in listed["models"] if each["name"] == name]
    assert (model["kind"], model["licence"], model["architecture"]) == ("enlargement", "MIT", f"spandrel/{name}")
    assert listed["default"] == "compact", "ours come first"


def by_the_library(source: Path, halo: int, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge the mirrored picture with spandrel, bring it to ×2, and keep the colours as every enlargement does."""
    sides = [(halo, -side % GRAIN + halo) for side in picture.shape[:2]]
    mirrored = np.ascontiguousarray(np.pad(picture, [*sides, (0, 0)], "symmetric").transpose(2, 0, 1)[None])
    with torch.inference_mode():
        descriptor = ModelLoader().load_from_file(source)
        planes = descriptor(torch.from_numpy(mirrored))[0].numpy()
    if descriptor.scale != weights.SCALE:
        size = tuple(2 * side for side in mirrored.shape[:1:-1])
        light = transfer.to_linear(planes.copy())
        light = np.stack([np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in light])
        planes = transfer.to_perceptual(light.clip(0, 1))
    planes = planes[:, 2 * halo : 2 * (halo + HEIGHT), 2 * halo : 2 * (halo + WIDTH)].clip(0, 1)
    cells = colour_correction.correction(colour_correction.compare(picture.transpose(2, 0, 1), planes))
    if cells is not None:
        colour_correction.correct(planes, cells, 0)
    return planes.transpose(1, 2, 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_kinds_of_file_hold_the_same_network(tmp_path: Path, name: str) -> None:
    one, other = (read_tensors(save_foreign(name, tmp_path / f"{name}{ending}")) for ending in ENDINGS)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[each], other[each]) for each in one)
