"""What the pixel phase minimises: the losses of `losses.py`, each with the weight that the settings give."""

from __future__ import annotations

from torch import Tensor

from trainer.config import TrainingConfig
from trainer.losses import l1, spectrum


def pixel_loss(generated: Tensor, high_res: Tensor, config: TrainingConfig) -> Tensor:
    """Weigh the losses of the pixel phase.

    Args:
        generated: (N, 3, H, W) float32, about 0…1.
        high_res: The same shape, 0…1.
        config: Gives the weights; a loss of weight 0 is not computed.

    Returns:
        One number to minimise.
    """
    parts = ((config.l1_weight, l1), (config.fft_weight, spectrum))
    return sum((weight * loss(generated, high_res) for weight, loss in parts if weight), generated.new_zeros(()))
