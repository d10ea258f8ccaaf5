"""The discriminator's side of the adversarial phase: its network, its optimizer, and its steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from trainer.config import TrainingConfig
from trainer.losses.adversarial_losses import ADVERSARIAL_LOSSES, gradient_penalty, r1_penalty
from trainer.nets.discriminators import build_discriminator, shifted
from trainer.training.distributed import World
from trainer.training.phase import add_losses

Shift = tuple[int, int]


class DiscriminatorStep:
    """A discriminator that learns to tell photos from generated pictures.

    Args:
        config: The settings.
        device: Where it trains.
        world: The processes that train together.
        autocast: Returns the context in which its convolutions are computed.
        scaler: Scales its gradients.
    """

    def __init__(
        self,
        config: TrainingConfig,
        device: torch.device,
        world: World,
        autocast: Callable[[], AbstractContextManager[Any]],
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.config = config
        self.world = world
        self.autocast = autocast
        self.scaler = scaler
        self.loss = ADVERSARIAL_LOSSES[config.adversarial_loss]
        network = build_discriminator(config.discriminator, config.discriminator_channels, config.discriminator_dropout)
        moved = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: nn.Module = moved
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.discriminator_learning_rate)

    def logits(self, high_res: Tensor, generated: Tensor, shift: Shift) -> tuple[Tensor, Tensor]:
        """Judge photos and generated pictures in one batch.

        Batch normalisation over each kind apart would make their contrast and sharpness equal, which is just what
        they differ in.

        Args:
            high_res: (N, 3, H, W) photos, 0…1.
            generated: Generated pictures of the same shape.
            shift: (rows, columns) by which both are shifted.

        Returns:
            Logits of the photos and of the generated pictures.
        """
        both = torch.cat((shifted(high_res, *shift), shifted(generated, *shift)))
        with self.autocast():
            logits: Tensor = self.network(both.contiguous(memory_format=torch.channels_last))
        real, fake = logits.float().chunk(2)
        return real, fake

    def backward(
        self,
        logits: tuple[Tensor, Tensor],
        pair: tuple[Tensor, Tensor],
        shift: Shift,
        share: float,
        recorded: dict[str, Tensor],
    ) -> None:
        """Add the discriminator's gradients.

        Args:
            logits: What `logits` returned for the pair.
            pair: Photos and generated pictures, without gradients.
            shift: What `logits` was given.
            share: Of this part in the batch, 0…1.
            recorded: The step's losses; changed in place.
        """
        real, fake = logits
        loss = self.loss.for_discriminator(real, fake)
        ahead = (real.detach() > fake.detach()).float().mean()
        add_losses(recorded, {"discriminator": loss.detach(), "photo_ahead": ahead}, share)
        if self.config.adversarial_loss == "wasserstein":
            penalty = self._penalty(*pair, shift)
            loss = loss + self.config.gradient_penalty_weight * penalty
            add_losses(recorded, {"gradient_penalty": penalty.detach()}, share)
        if self.config.r1_weight:  # in float32 too
            penalty = r1_penalty(self.network, shifted(pair[0], *shift))
            loss = loss + self.config.r1_weight * penalty
            add_losses(recorded, {"r1_penalty": penalty.detach()}, share)
        torch.autograd.backward(self.scaler.scale(share * loss), inputs=list(self.network.parameters()))

    def step(self) -> None:
        """Average the gradients over all processes, and move the parameters."""
        self.world.average_gradients(self.network.parameters())
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def repeat(self, pairs: Sequence[tuple[Tensor, Tensor, float]], recorded: dict[str, Tensor]) -> None:
        """Make a further step on the same pictures, with a shift of its own.

        Args:
            pairs: Photos, generated pictures and share of each part of the batch.
            recorded: The step's losses; changed in place.
        """
        self.optimizer.zero_grad(set_to_none=True)
        shift = draw_shift()
        for high_res, generated, share in pairs:
            self.backward(self.logits(high_res, generated, shift), (high_res, generated), shift, share, recorded)
        self.step()

    def _penalty(self, high_res: Tensor, generated: Tensor, shift: Shift) -> Tensor:
        """Compute the gradient penalty in float32: a second derivative asks for more digits than bfloat16 has."""
        mix = torch.rand(len(high_res), 1, 1, 1, device=high_res.device)
        return gradient_penalty(self.network, shifted(high_res, *shift), shifted(generated, *shift), mix)


def draw_shift() -> Shift:
    """Draw by how many rows and columns pictures are shifted, 0…7 each."""
    down, right = torch.randint(8, (2,)).tolist()
    return int(down), int(right)
