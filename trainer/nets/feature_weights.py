"""Weights of feature networks: found in a file, or fetched once and kept as safetensors in the user's cache folder."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from trainer.errors import PerceptualError
from trainer.folders import cache_folder
from trainer.nets.feature_networks import CAFFE, IMAGENET, FeatureNetwork, build_feature_network
from trainer.nets.fetching import fetch
from weights.atomic import atomic_write


@dataclass(frozen=True)
class Source:
    """Where published weights lie."""

    url: str  # A .pth file of torchvision's
    sha256: str  # How the file's SHA-256 (hexadecimal) begins; torchvision publishes the first eight digits


SOURCES = {
    "vgg16": Source("https://download.pytorch.org/models/vgg16-397923af.pth", "397923af"),
    "vgg19": Source("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", "dcbb9e9d"),
    "squeezenet": Source("https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", "b8a52dc0"),
}


def load_feature_network(
    name: str, weights: Path | None = None, sources: dict[str, Source] = SOURCES
) -> FeatureNetwork:
    """Build a feature network with trained weights.

    Args:
        name: "squeezenet", "vgg16" or "vgg19".
        weights: A .safetensors or .pth file; None fetches torchvision's published one, once.
        sources: Where to fetch from.

    Returns:
        The network, fixed, on the CPU.

    Raises:
        PerceptualError: The file is missing, broken or of another network, or cannot be fetched.
    """
    tensors = _read(weights) if weights else _fetched(name, sources[name])
    # SqueezeNet is around with two kinds of weights; only the Caffe ones are shipped beside photos under this name
    caffe = name == "squeezenet" and weights is not None and "caffe" in weights.name
    network = build_feature_network(name, CAFFE if caffe else IMAGENET)
    expected = network.state_dict()
    missing = sorted(set(expected) - set(tensors))
    wrong = [key for key in expected if key in tensors and tensors[key].shape != expected[key].shape]
    if missing or wrong:
        fault = f"lack {missing[0]}" if missing else f"have {wrong[0]} of shape {tuple(tensors[wrong[0]].shape)}"
        raise PerceptualError(
            f"{weights or sources[name].url} is no file of {name} weights: its tensors {fault}; "
            f"expected torchvision's names and shapes; name another file with --perceptual-weights"
        )
    network.load_state_dict({key: tensors[key].float() for key in expected})
    return network


def _fetched(name: str, source: Source) -> dict[str, Tensor]:
    kept = cache_folder() / f"{name}-{source.sha256}.safetensors"
    if kept.is_file():
        return _read(kept)
    download = fetch(source.url, kept.with_suffix(".pth"), source.sha256)
    tensors = {key: tensor.contiguous() for key, tensor in _read(download).items() if key.startswith("features.")}
    try:
        with atomic_write(kept) as sibling:
            safetensors.torch.save_file(tensors, sibling)
    except OSError as error:
        raise PerceptualError(f"{kept} cannot be written ({error.strerror or error}); make room there") from error
    download.unlink()  # nine tenths of a VGG file are classifier layers that nobody needs here
    return tensors


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise PerceptualError(f"{path} does not exist; name a file with --perceptual-weights") from error
    except (
        OSError,
        SafetensorError,
        RuntimeError,
        EOFError,
        ValueError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise PerceptualError(
            f"{path} cannot be read as weights ({reason[:120]}); expected a .safetensors or .pth file; name another one"
        ) from e
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise PerceptualError(f"{path} holds no dictionary of tensors; expected a state dict; name another file")
    return tensors
