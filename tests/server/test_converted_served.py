"""Networks of other projects, converted and asked for over HTTP: the pixels are those of the library itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import weights
from server.client.protocol import Size
from server.conversion.convert import Origin, convert
from server.conversion.reading import read_tensors
from server.errors import UnknownModel
from server.pipeline.model_store import ModelStore
from server.pipeline.tiling import GRAIN
from server.pixels import colour_correction
from server.pixels.layouts import Planes
from server.pixels.reduce import Reduction
from tests.hosts.model_server import ModelServer, serving
from tests.server.foreign_networks import ModelLoader, save_foreign
from tests.server.in_process import SMALL_TILES, UNTILED, bench, photo_like, save_compact

pytestmark = pytest.mark.slow
HEIGHT, WIDTH = 37, 45  # no multiples of anything
ENDINGS = (".pth", ".safetensors")
# All ×2 but the last three: ×3, ×4, and ×1, which restores.
NETWORKS = ("SPAN", "PLKSR", "MoSR", "HAT", "SwinIR", "OmniSR", "RCAN", "Compact", "ESRGAN", "DnCNN")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server whose folder of weights is empty: what is converted into it is found while it runs."""
    folder = tmp_path_factory.mktemp("converted")
    (folder / "weights").mkdir()
    with serving(folder, "--dtype", "float32") as running:
        yield running


@pytest.mark.parametrize(("name", "ending"), list(zip(NETWORKS, 5 * ENDINGS, strict=True)))
def test_a_converted_network_gives_its_librarys_pixels_over_http(
    server: ModelServer, tmp_path: Path, name: str, ending: str
) -> None:
    source, told = converted(server, tmp_path, name, ending)
    picture = photo_like(HEIGHT, WIDTH)
    found = asked_for(server, name, picture, told.scale)
    assert np.abs(found - by_the_library(source, told, picture)).max() <= 1 / 255
    enlarged = picture.repeat(told.scale, 0).repeat(told.scale, 1)
    assert np.abs(found - enlarged).max() > 2 / 255, "the network has no say in it"
    listed = server.get("/v1/models")
    (model,) = [each for each in listed["models"] if each["name"] == name]
    kind = "restoration" if told.scale == 1 else "enlargement"
    assert (model["kind"], model["licence"], model["architecture"]) == (kind, "MIT", f"spandrel/{name}")
    assert listed["default"] == "compact", "ours come first"


def test_a_network_of_a_larger_scale_is_reduced_to_the_size_asked_for(server: ModelServer, tmp_path: Path) -> None:
    source, told = converted(server, tmp_path, "ESRGAN", ".pth")
    assert told.scale == 4
    picture = photo_like(HEIGHT, WIDTH)
    own = by_the_library(source, told, picture)
    for factor in (2, 3):
        reduction = Reduction(Size(4 * WIDTH, 4 * HEIGHT), Size(factor * WIDTH, factor * HEIGHT))
        planes = Planes(np.ascontiguousarray(own.transpose(2, 0, 1)), None)
        expected = reduction.reduce(planes, 0, factor * HEIGHT, 0).colour.transpose(1, 2, 0)
        assert np.abs(asked_for(server, "ESRGAN", picture, factor) - expected).max() <= 1 / 255


def test_what_a_restoring_network_makes_ours_enlarges(server: ModelServer, tmp_path: Path) -> None:
    source, told = converted(server, tmp_path, "DnCNN", ".pth")
    assert told.scale == 1
    restored = by_the_library(source, told, photo_like(HEIGHT, WIDTH))
    expected = asked_for(server, "compact", restored, 2, cleanup=0)
    found = asked_for(server, "DnCNN", photo_like(HEIGHT, WIDTH), 2)
    assert np.abs(found - expected).max() <= 1 / 255


@pytest.mark.parametrize(
    ("name", "factor"), [("DnCNN", 1), ("Compact", 3), ("ESRGAN", 4), ("ESRGAN", 2), ("Compact", 7)]
)
def test_tiles_of_any_scale_equal_the_whole(tmp_path: Path, name: str, factor: int) -> None:
    convert([save_foreign(name, tmp_path / f"{name}.pth")], [tmp_path / f"{name}.safetensors"], Origin())
    save_compact(tmp_path, "compact-faithful", gain=0.3)
    random = np.random.default_rng(1)
    picture = np.concatenate([1.2 * photo_like(130, 101) - 0.1, random.random((130, 101, 1), dtype=np.float32)], axis=2)
    picture[..., 3] *= random.random((130, 101)) > 0.3
    with bench(tmp_path) as ready:
        tiled, untiled = (
            ready.enlarge(picture, "RGBA", "f32", plan=plan, model=name, result=Size(101, 130).enlarged(factor))
            for plan in (SMALL_TILES, UNTILED)
        )
    assert tiled.shape == (factor * 130, factor * 101, 4)
    assert np.abs(tiled - untiled).max() <= 0.5 / 255


def test_a_restoring_network_without_one_that_enlarges_is_refused_in_a_sentence(tmp_path: Path) -> None:
    convert([save_foreign("DnCNN", tmp_path / "DnCNN.pth")], [tmp_path / "DnCNN.safetensors"], Origin())
    store = ModelStore([tmp_path])
    with pytest.raises(UnknownModel, match="DnCNN restores and enlarges nothing"):
        store.following(store.resolve("DnCNN"))


def converted(server: ModelServer, tmp_path: Path, name: str, ending: str) -> tuple[Path, weights.WeightsMetadata]:
    """Convert a network into the server's folder."""
    source, target = save_foreign(name, tmp_path / f"{name}{ending}"), server.log.parent / f"weights/{name}.safetensors"
    (told,) = convert([source], [target], Origin(licence="MIT", link=f"https://example.org/{name}"))
    return source, told


def asked_for(
    server: ModelServer, name: str, picture: NDArray[np.float32], factor: int, **options: object
) -> NDArray[np.float32]:
    """Ask the server for a picture's enlargement."""
    height, width = picture.shape[:2]
    size = {"out_width": factor * width, "out_height": factor * height}
    raw = server.upscale(picture.tobytes(), width, height, "RGB", "f32", model=name, **size, **options)
    return np.frombuffer(raw, np.float32).reshape(factor * height, factor * width, 3)


def by_the_library(source: Path, told: weights.WeightsMetadata, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge the mirrored picture with spandrel, and keep the colours as every enlargement does."""
    halo, scale = told.halo, told.scale
    sides = [(halo, -side % GRAIN + halo) for side in picture.shape[:2]]
    mirrored = np.ascontiguousarray(np.pad(picture, [*sides, (0, 0)], "symmetric").transpose(2, 0, 1)[None])
    with torch.inference_mode():
        descriptor = ModelLoader().load_from_file(source)
        given = torch.from_numpy(mirrored)
        if descriptor.input_channels == 1:  # a network of grey restores channel by channel
            planes = torch.cat([descriptor(plane[None, None]) for plane in given[0]])[:, 0].numpy()
        else:
            planes = descriptor(given)[0].numpy()
    inside = [slice(scale * halo, scale * (halo + side)) for side in picture.shape[:2]]
    planes = planes[:, inside[0], inside[1]].clip(0, 1)
    cells = colour_correction.correction(colour_correction.compare(picture.transpose(2, 0, 1), planes))
    if cells is not None:
        colour_correction.correct(planes, cells, 0, scale)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


@pytest.mark.parametrize("name", NETWORKS)
def test_both_kinds_of_file_hold_the_same_network(tmp_path: Path, name: str) -> None:
    one, other = (read_tensors(save_foreign(name, tmp_path / f"{name}{ending}")) for ending in ENDINGS)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[each], other[each]) for each in one)
