"""The pixel phase: from nothing to a faithful generator, by pixel losses alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from trainer.config import TrainingConfig
from trainer.data.batches import Batch
from trainer.losses.consistency import turned_target
from trainer.losses.pixel_losses import l1, weighted
from trainer.nets.reparameterisation import over_parameterise
from trainer.optim.optimizers import set_learning_rate
from trainer.optim.schedules import learning_rate_share
from trainer.training.distributed import World
from trainer.training.phase import Phase, add_losses
from weights import Generator, build_generator

ALONE = World()


class PixelPhase(Phase):
    """Trains a generator, over-parameterised where the settings ask for it.

    Args:
        config: The settings.
        device: Where it trains.
        world: The processes that train together.
        start: A plain generator to go on from; None for a new one.
    """

    name: ClassVar[str] = "pixel"

    def __init__(
        self, config: TrainingConfig, device: torch.device, world: World = ALONE, start: Generator | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        plain = start or build_generator(config.architecture, dict(config.generator))
        trained = over_parameterise(plain, config.expansion, fixed_slopes=config.fixed_slopes)
        super().__init__(config, device, trained, world)
        self.steps = config.pixel_steps

    def set_learning_rates(self) -> None:
        """Set the next step's learning rate."""
        lowest = self.config.final_learning_rate / self.config.learning_rate
        share = learning_rate_share(self.step, self.steps, self.config, lowest)
        set_learning_rate(self.optimizer, self.learning_rate_factor * self.config.learning_rate * share)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Make the generator's step; the weighted sum of the losses is `loss`. See `Phase.train_step`."""
        self.prepare(batch[0])
        recorded: dict[str, Tensor] = {}
        self.optimizer.zero_grad(set_to_none=True)
        for low_res, high_res, share, context in self.parts(batch):
            with context:
                loss, parts = self._losses(low_res, high_res)
                self.scaler.scale(share * loss).backward()  # type: ignore[no-untyped-call]
            add_losses(recorded, {"loss": loss.detach(), **parts}, share)
        self.step_generator()
        return self.means(recorded)

    def _losses(self, low_res: Tensor, high_res: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the losses, and each of them before its weight, detached."""
        generated = self.enlarged(low_res)
        loss, parts = weighted(generated, high_res, self.config.loss_weights)
        if self.config.consistency_weight:
            difference = l1(generated, turned_target(self.enlarged_by_average, low_res))
            loss = loss + self.config.consistency_weight * difference
            parts["consistency"] = difference.detach()
        return loss, parts
