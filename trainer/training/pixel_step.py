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
from trainer.optim.schedules import learning_rate_share
from trainer.training.distributed import World
from trainer.training.phase import Phase, set_learning_rate
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
        self.highest_learning_rate = config.learning_rate

    def set_learning_rates(self) -> None:
        """Set the next step's rate."""
        lowest = self.config.final_learning_rate / self.config.learning_rate
        share = learning_rate_share(self.step, self.steps, self.config, lowest)
        set_learning_rate(self.optimizer, self.learning_rate_factor * self.highest_learning_rate * share)

    def losses_of(self, batch: Batch) -> dict[str, Tensor]:
        """Make the generator's step; return the weighted sum as `loss`, and each loss before its weight."""
        recorded: dict[str, Tensor] = {}
        self.optimizer.zero_grad(set_to_none=True)
        for low_res, high_res, share, context in self.parts(batch):
            with context:
                generated = self.enlarged(low_res)
                loss, parts = weighted(generated, high_res, self.config.loss_weights)
                if self.config.consistency_weight:
                    difference = l1(generated, turned_target(self.enlarged_by_average, low_res))
                    loss = loss + self.config.consistency_weight * difference
                    parts["consistency"] = difference.detach()
                (share * loss).backward()  # type: ignore[no-untyped-call]
            for name, value in {"loss": loss.detach(), **parts}.items():
                recorded[name] = recorded.get(name, 0) + share * value
        self.clip_and_step()
        return recorded
