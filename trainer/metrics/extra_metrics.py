"""Metrics beside PSNR and SSIM that need files of their own: NIQE, perceptual distance, FID, precision and recall.

Beside the distance stands the feature loss, which training minimises: the teacher, so it is not the judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.losses.perceptual import PerceptualLoss, halved_in_linear_light
from trainer.metrics.distribution import Features, frechet_distance, precision_recall
from trainer.metrics.niqe import NiqeModel
from trainer.metrics.perceptual_distance import perceptual_distance
from trainer.nets.feature_networks import FeatureNetwork
from trainer.nets.feature_weights import load_feature_network

PATCH = 64  # pixels per side of the patches whose features are compared as sets
PATCHES_PER_PICTURE = 64

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class NetworkFeatures:
    """What a feature network sees in a picture."""

    full: list[Tensor]  # Each layer's features, (1, C, h, w), before activation
    half: list[Tensor]  # The same of the picture at half size, halved in linear light


@dataclass(frozen=True)
class ExtraMetrics:
    """Optional measures; those whose model is None are left out."""

    niqe: NiqeModel | None = None  # NIQE's model
    network: FeatureNetwork | None = None  # Feature network for distance, feature loss, FID, precision and recall
    device: torch.device = torch.device("cpu")  # Where that network runs
    texture: bool = False  # Whether the energy at the periods of grids and the detail in blurred parts are measured
    jpeg_qualities: tuple[int, ...] = ()  # Qualities at which the reduced pictures are also measured as JPEG files

    @classmethod
    def of(cls, niqe: Path | None, network: str | None, weights: Path | None, device: torch.device) -> ExtraMetrics:
        """Load what is named.

        Args:
            niqe: NIQE's model file.
            network: Name of a feature network.
            weights: File of its weights; None fetches them.
            device: Where it runs.

        Returns:
            The measures.
        """
        loaded = load_feature_network(network, weights).to(device) if network else None
        return cls(NiqeModel.load(niqe) if niqe else None, loaded, device)

    @torch.no_grad()
    def network_features(self, picture: Pixels) -> NetworkFeatures | None:
        """Look at a picture, (H, W, 3), once for all that is compared with it; None without a network."""
        if self.network is None:
            return None
        batch = self._tensor(picture[None])
        return NetworkFeatures(self.network(batch), self.network(halved_in_linear_light(batch)))

    @torch.no_grad()
    def distances(self, picture: Pixels, reference: NetworkFeatures | None) -> dict[str, float]:
        """Compare a picture with another by what the network sees in them.

        Args:
            picture: (H, W, 3) uint8.
            reference: What is seen in the original, of the same size.

        Returns:
            "distance": see `perceptual_distance`. "feature_loss": the perceptual loss of training, all layers alike,
            full and half size. Nothing without a network.
        """
        ours = self.network_features(picture)
        if self.network is None or ours is None or reference is None:
            return {}
        loss = PerceptualLoss(self.network)
        both = loss.apart(ours.full, reference.full) + loss.apart(ours.half, reference.half)
        distance = perceptual_distance(self.network, ours.full, reference.full)
        return {"distance": distance, "feature_loss": float(both)}

    @torch.no_grad()
    def features(self, picture: Pixels) -> Features:
        """Describe a picture's patches.

        Args:
            picture: (H, W, 3) uint8.

        Returns:
            (patches, D): the deepest layer's mean over each patch, evenly spread patches of 64 × 64 pixels.
        """
        if self.network is None:
            return np.empty((0, 0))
        rows, columns = (range(0, length - PATCH + 1, PATCH) for length in picture.shape[:2])
        places = [(row, column) for row in rows for column in columns]
        places = places[:: max(1, len(places) // PATCHES_PER_PICTURE)][:PATCHES_PER_PICTURE]
        if not places:
            return np.empty((0, 0))
        patches = np.stack([picture[row : row + PATCH, column : column + PATCH] for row, column in places])
        deepest = self.network(self._tensor(patches))[-1].relu()
        return np.asarray(deepest.mean(dim=(2, 3)).cpu().numpy(), dtype=np.float64)

    def _tensor(self, pictures: Pixels) -> torch.Tensor:
        batch = torch.from_numpy(np.array(pictures)).to(self.device)
        return batch.permute(0, 3, 1, 2).float().div_(255)


def compare_sets(real: list[Features], generated: list[Features]) -> dict[str, float]:
    """Compare all patches of the originals with all patches of the enlarged pictures.

    Args:
        real: Features by picture.
        generated: The same.

    Returns:
        "fid", "precision" and "recall"; empty with fewer than two patches.
    """
    ours, theirs = ([part for part in side if len(part)] for side in (real, generated))
    if sum(len(part) for part in ours) < 2:
        return {}
    one, other = np.concatenate(ours), np.concatenate(theirs)
    precision, recall = precision_recall(one, other)
    return {"fid": frechet_distance(one, other), "precision": precision, "recall": recall}
