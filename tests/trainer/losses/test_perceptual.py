"""The perceptual loss: its networks against plainly written ones, its formula, its weights files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from trainer.errors import PerceptualError
from trainer.losses.perceptual import PerceptualLoss, halved_in_linear_light
from trainer.nets.feature_networks import FeatureNetwork, build_feature_network
from trainer.nets.feature_weights import load_feature_network

SHIPPED = Path(__file__).parents[4] / "shared" / "perceptual" / "squeezenet1_1_caffe_features.safetensors"


def _random(name: str) -> FeatureNetwork:
    torch.manual_seed(0)
    return build_feature_network(name)


def _plain_vgg(network: FeatureNetwork, stages: tuple[int, ...], pictures: Tensor) -> list[Tensor]:
    """VGG as torchvision numbers it, one nn.Sequential, tapped at each convolution."""
    layers: list[nn.Module] = []
    for count in stages:
        for _ in range(count):
            layers += [network.layer(len(layers)), nn.ReLU()]
        layers.append(nn.MaxPool2d(2, 2))
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    features = (pictures - mean) / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    found = []
    for layer in layers[:-1]:
        features = layer(features)
        if isinstance(layer, nn.Conv2d):
            found.append(features)
    return found


@pytest.mark.parametrize(("name", "stages"), [("vgg16", (2, 2, 3, 3, 3)), ("vgg19", (2, 2, 4, 4, 4))])
def test_vgg_is_tapped_at_each_convolution(name: str, stages: tuple[int, ...]) -> None:
    network, pictures = _random(name), torch.rand(1, 3, 33, 40)
    taps, plain = network(pictures), _plain_vgg(network, stages, pictures)
    assert len(taps) == len(plain) == len(network.layer_names) == sum(stages)
    for tap, expected in zip(taps, plain, strict=True):
        torch.testing.assert_close(tap, expected)
    assert network.layer_names[-1] == f"conv5_{stages[-1]}"


def test_squeezenet_equals_a_plainly_written_one() -> None:
    network, pictures = _random("squeezenet"), torch.rand(2, 3, 65, 48)
    x = pictures[:, [2, 1, 0]] * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    expected = [network.layer(0)(x)]
    for number in (3, 4, 6, 7, 9, 10, 11, 12):
        x = torch.relu(expected[-1])
        fire = network.layer(number)
        squeezed = torch.relu(fire.squeeze(pool(x) if number in (3, 6, 9) else x))
        expected.append(torch.cat([fire.expand1x1(squeezed), fire.expand3x3(squeezed)], 1))
    for tap, plain in zip(network(pictures), expected, strict=True):
        torch.testing.assert_close(tap, plain)


def test_distance_equals_its_formula() -> None:
    network = _random("squeezenet")
    a, b = torch.rand(2, 3, 48, 48), torch.rand(2, 3, 48, 48)
    weights = {"conv1": 0.5, "fire4": 2.0, "fire9": 0.0}
    expected = 0.0
    for size_weight, (x, y) in {1.0: (a, b), 0.3: (halved_in_linear_light(a), halved_in_linear_light(b))}.items():
        ours, theirs = network(x), network(y)
        expected += size_weight * 0.5 * float(np.mean(np.abs(ours[0].numpy() - theirs[0].numpy())))
        expected += size_weight * 2.0 * float(np.mean(np.abs(ours[3].numpy() - theirs[3].numpy())))
    assert float(PerceptualLoss(network, weights, half_size_weight=0.3)(a, b)) == pytest.approx(expected, rel=1e-4)
    squared = PerceptualLoss(network, {"conv1": 1.0}, squared=True, half_size_weight=0)
    expected = float(np.mean((network(a)[0].numpy() - network(b)[0].numpy()) ** 2))
    assert float(squared(a, b)) == pytest.approx(expected, rel=1e-4)


def test_gradient_flows_into_the_generated_alone_and_is_finite() -> None:
    loss = PerceptualLoss(_random("squeezenet"))
    generated = torch.cat([torch.rand(1, 3, 48, 48), torch.zeros(1, 3, 48, 48), torch.full((1, 3, 48, 48), 1.2)])
    generated.requires_grad_()
    loss(generated, torch.rand(3, 3, 48, 48)).backward()
    assert generated.grad is not None
    assert torch.isfinite(generated.grad).all()
    assert all(parameter.grad is None for parameter in loss.parameters())
    assert float(loss(generated.detach(), generated.detach())) == 0


def test_half_size_is_the_mean_of_light() -> None:
    board = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(1, 3, 2, 2)
    expected = 1.055 * 0.5 ** (1 / 2.4) - 0.055
    torch.testing.assert_close(halved_in_linear_light(board), torch.full((1, 3, 2, 2), expected))
    dark = torch.full((1, 3, 2, 2), 0.02)
    torch.testing.assert_close(halved_in_linear_light(dark), torch.full((1, 3, 1, 1), 0.02))


def test_an_unknown_layer_is_told_in_a_sentence() -> None:
    with pytest.raises(PerceptualError, match="no layer conv9_9; expected some of conv1, fire2"):
        PerceptualLoss(_random("squeezenet"), {"conv9_9": 1.0})


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_are_read_from_a_file(tmp_path: Path, suffix: str) -> None:
    network = _random("squeezenet")
    tensors = network.state_dict() | {"classifier.1.weight": torch.zeros(2)}  # published files hold more than features
    path = tmp_path / f"caffe{suffix}"
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path)
    loaded = load_feature_network("squeezenet", path)
    pictures = torch.rand(1, 3, 32, 32)
    for ours, theirs in zip(loaded(pictures), network(pictures), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


class _Foreign:
    """Something that a restricted loader must not unpickle."""


def test_weights_of_the_wrong_kind_are_told_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "caffe.safetensors"
    safetensors.torch.save_file(_random("squeezenet").state_dict(), path)
    with pytest.raises(PerceptualError, match=r"no file of vgg16 weights: its tensors lack features\.10\.bias"):
        load_feature_network("vgg16", path)
    with pytest.raises(PerceptualError, match="does not exist"):
        load_feature_network("vgg16", tmp_path / "none.pth")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(PerceptualError, match="cannot be read as weights"):
        load_feature_network("squeezenet", path)
    for content in ([1, 2], _Foreign()):
        torch.save(content, tmp_path / "list.pth")
        with pytest.raises(PerceptualError, match=r"holds no dictionary of tensors|cannot be read as weights"):
            load_feature_network("squeezenet", tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("not weights", encoding="utf-8")
    with pytest.raises(PerceptualError, match="cannot be read as weights"):
        load_feature_network("squeezenet", tmp_path / "text.pth")


@pytest.mark.skipif(not SHIPPED.exists() and os.environ.get("CI") != "true", reason="../shared/perceptual is not here")
def test_shipped_squeezenet_prefers_the_less_disturbed_picture() -> None:
    from PIL import Image

    photo = Image.open(SHIPPED.parents[1] / "bench" / "Set5" / "img_001.png").convert("RGB").crop((0, 0, 192, 192))
    picture = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 255
    loss = PerceptualLoss(load_feature_network("squeezenet", SHIPPED))
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    distances = [float(loss(picture + strength * noise, picture)) for strength in (0.0, 0.01, 0.03, 0.1)]
    assert distances == sorted(distances)
    assert distances[0] == 0
    assert all(np.isfinite(distances))
