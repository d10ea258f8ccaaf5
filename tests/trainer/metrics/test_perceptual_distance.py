"""The perceptual distance: its taps and its formula against plainly written ones, and where `evaluate` tells it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export
from trainer.losses.perceptual import PerceptualLoss
from trainer.metrics.evaluation import evaluate
from trainer.metrics.extra_metrics import ExtraMetrics
from trainer.metrics.halo import Halo
from trainer.metrics.perceptual_distance import perceptual_distance
from trainer.metrics.pictures import bicubic, reduced
from trainer.metrics.table import table
from trainer.nets.feature_networks import FeatureNetwork, build_feature_network
from weights import build_generator

# where Zhang et al.'s slices of torchvision's networks end; VGG19's after the last activation of each stage
SLICES = {
    "squeezenet": (1, 4, 7, 9, 10, 11, 12),
    "vgg16": (3, 8, 15, 22, 29),
    "vgg19": (3, 8, 17, 26, 35),
}
POOLS = {"squeezenet": (2, 5, 8), "vgg16": (4, 9, 16, 23), "vgg19": (4, 9, 18, 27)}


def _network(name: str) -> FeatureNetwork:
    torch.manual_seed(0)
    return build_feature_network(name)


def _pictures(side: int = 72) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    one = torch.rand(1, 3, side, side + 9)
    return one, (one + 0.2 * torch.randn_like(one)).clamp(0, 1)


def _after_slices(network: FeatureNetwork, name: str, features: Tensor) -> list[np.ndarray]:
    """Run the network layer by layer in torchvision's count."""
    found = []
    for number in range(SLICES[name][-1] + 1):
        if number in POOLS[name]:
            squeezed = name == "squeezenet"
            features = nn.MaxPool2d(3, 2, ceil_mode=True)(features) if squeezed else nn.MaxPool2d(2)(features)
        elif hasattr(network.features, str(number)):
            features = network.layer(number)(features)
            if name == "squeezenet" and number > 2:  # torchvision's fire blocks end with their activation
                features = torch.relu(features)
        else:
            features = torch.relu(features)
        if number in SLICES[name]:
            found.append(features[0].double().numpy())
    return found


def _plain_distance(ours: list[np.ndarray], theirs: list[np.ndarray]) -> float:
    total = 0.0
    for mine, other in zip(ours, theirs, strict=True):
        one = mine / (np.sqrt((mine**2).sum(axis=0)) + 1e-10)
        two = other / (np.sqrt((other**2).sum(axis=0)) + 1e-10)
        total += ((one - two) ** 2).sum(axis=0).mean()
    return total


@pytest.mark.parametrize("name", ["squeezenet", "vgg16", "vgg19"])
def test_distance_equals_a_plainly_written_one(name: str) -> None:
    network, pictures = _network(name), _pictures()
    normalised = []
    for picture in pictures:
        if name == "squeezenet":
            normalised.append(picture[:, [2, 1, 0]] * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None])
        else:
            mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            normalised.append((picture - mean[:, None, None]) / deviation[:, None, None])
    expected = _plain_distance(*(_after_slices(network, name, picture) for picture in normalised))
    assert expected > 1e-3
    found = perceptual_distance(network, *(network(picture) for picture in pictures))
    assert found == pytest.approx(expected, rel=1e-5)


def test_equal_pictures_have_none_and_either_may_come_first() -> None:
    network, (one, other) = _network("squeezenet"), _pictures()
    ours, theirs = network(one), network(other)
    assert perceptual_distance(network, ours, ours) == 0
    assert perceptual_distance(network, ours, theirs) == perceptual_distance(network, theirs, ours) > 0


def test_each_layer_counts_alike_whatever_its_scale() -> None:
    network, (one, other) = _network("squeezenet"), _pictures()
    sides = [network(picture) for picture in (one, other)]
    scaled = [[features * 10.0**layer for layer, features in enumerate(side)] for side in sides]
    assert perceptual_distance(network, *scaled) == pytest.approx(perceptual_distance(network, *sides), rel=1e-5)
    loss = PerceptualLoss(network)  # for which the deepest layer would now be all
    assert float(loss.apart(*scaled)) > 10 * float(loss.apart(*sides))


def test_positions_where_nothing_is_active_are_equal() -> None:
    network = _network("squeezenet")
    off = [-torch.ones_like(features) for features in network(_pictures()[0])]
    assert perceptual_distance(network, off, [2 * features for features in off]) == 0


def _folder(path: Path) -> tuple[Path, np.ndarray]:
    picture = np.random.default_rng(5).integers(0, 256, (40, 48, 3), np.uint8)
    picture = np.asarray(Image.fromarray(picture).resize((96, 80), Image.Resampling.BICUBIC))
    path.mkdir()
    Image.fromarray(picture).save(path / "a.png")
    return path, picture


def test_evaluate_tells_the_distance_and_the_loss_apart(tmp_path: Path) -> None:
    network = _network("squeezenet")
    folder, picture = _folder(tmp_path / "pictures")
    rows = evaluate({}, folder, ExtraMetrics(network=network, jpeg_qualities=(60,)))
    found = rows[0].figures()
    sides = [
        torch.from_numpy(side.copy()).permute(2, 0, 1)[None].float() / 255
        for side in (bicubic(reduced(picture)), picture)
    ]
    assert found["distance"] == pytest.approx(perceptual_distance(network, *(network(side) for side in sides)))
    assert found["feature_loss"] == pytest.approx(float(PerceptualLoss(network)(*sides)))
    assert found["jpeg60_distance"] > found["distance"]
    assert found["jpeg60_feature_loss"] > found["feature_loss"]
    titles = ("  distance", "  feature loss", "JPEG 60 distance", "JPEG 60 feature loss")
    assert [title for title in titles if title not in table(rows)] == []


def test_the_network_looks_at_each_picture_once_at_each_size(tmp_path: Path) -> None:
    network, sizes = _network("squeezenet"), []
    network.register_forward_hook(lambda _, given, __: sizes.append(tuple(given[0].shape[2:])))
    folder, _ = _folder(tmp_path / "pictures")
    evaluate({"same": bicubic}, folder, ExtraMetrics(network=network))
    assert sizes.count((80, 96)) == sizes.count((40, 48)) == 3  # the original, bicubic, "same"


def test_the_card_tells_the_distance_and_the_loss_apart(tmp_path: Path) -> None:
    folder, _ = _folder(tmp_path / "pictures")
    benchmarks = Benchmarks({"One": folder}, ExtraMetrics(network=_network("squeezenet"), jpeg_qualities=(60,)))
    path = tmp_path / "one.safetensors"
    export(build_generator("espcn").eval(), Halo(4, 0.0), Description("One"), path, benchmarks)
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    for beginning in ("| ", "| from JPEG of quality 60: "):
        assert f"\n{beginning}perceptual distance (LPIPS without calibration), lower is better | " in card
        assert f"\n{beginning}feature loss, on which the detailed generator is trained, lower is better | " in card
