"""The adversarial phase: from a faithful generator to a detailed one, against a discriminator.

Each step: the generator moves (pixel, perceptual and adversarial losses), then the discriminator, on the same pictures.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from trainer.config import TrainingConfig
from trainer.data.batches import Batch
from trainer.errors import ConfigError
from trainer.losses.energy import energy_difference
from trainer.losses.perceptual import PerceptualLoss
from trainer.losses.pixel_losses import weighted
from trainer.nets.discriminators import shifted
from trainer.nets.reparameterisation import with_fixed_slopes
from trainer.optim.optimizers import set_learning_rate
from trainer.optim.schedules import learning_rate_share
from trainer.training.discriminator_step import DiscriminatorStep, Shift, draw_shift
from trainer.training.distributed import World
from trainer.training.phase import Phase, add_losses
from trainer.training.pixel_step import ALONE
from trainer.training.precision import gradient_scaler
from weights import Generator

LOWEST_SHARE = 0.01  # of the highest rates


class AdversarialPhase(Phase):
    """Trains a copy of a faithful generator and a discriminator against each other.

    Args:
        config: The settings.
        device: Where it trains.
        faithful: What the pixel phase made; it stays as it is.
        perceptual: The perceptual loss; None leaves it out.
        world: The processes that train together.
    """

    name: ClassVar[str] = "adversarial"

    def __init__(
        self,
        config: TrainingConfig,
        device: torch.device,
        faithful: Generator,
        perceptual: PerceptualLoss | None,
        world: World = ALONE,
    ) -> None:
        if config.halfway_probability and world.size > 1:  # the other parameters go past DistributedDataParallel
            raise ConfigError(
                f"--halfway-probability is {config.halfway_probability}, expected 0 where {world.size} processes train "
                "together; train in one process."
            )
        torch.manual_seed(config.seed)
        super().__init__(config, device, with_fixed_slopes(faithful).requires_grad_(True), world)
        self.steps = config.adversarial_steps
        self.perceptual = perceptual.to(device) if perceptual else None
        self.starting_parameters = {name: each.detach().clone() for name, each in self.generator.named_parameters()}
        self.discriminator_step = DiscriminatorStep(
            config, device, world, self.autocast, gradient_scaler(device, self.dtype)
        )
        self.discriminator = self.discriminator_step.network

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return both optimizers."""
        return {"optimizer": self.optimizer, "discriminator_optimizer": self.discriminator_step.optimizer}

    def scalers(self) -> dict[str, torch.amp.GradScaler]:
        """Return both optimizers' scalers."""
        return super().scalers() | {"discriminator_gradient_scaler": self.discriminator_step.scaler}

    def set_learning_rates(self) -> None:
        """Set the next step's rates."""
        share = self.learning_rate_factor * learning_rate_share(self.step, self.steps, self.config, LOWEST_SHARE)
        set_learning_rate(self.optimizer, share * self.config.adversarial_learning_rate)
        set_learning_rate(self.discriminator_step.optimizer, share * self.config.discriminator_learning_rate)

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        return super().state() | {"discriminator": self.discriminator.state_dict()}

    def restore(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint; see `Phase.restore`."""
        super().restore(state, source)
        self.discriminator.load_state_dict(state["discriminator"])

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Move the generator, then the discriminator. See `Phase.train_step`.

        The first discriminator step judges what the generator's step has judged, with the same parameters: both
        gradients come from one forward pass.
        """
        self.prepare(batch[0])
        recorded: dict[str, Tensor] = {}
        self.optimizer.zero_grad(set_to_none=True)
        self.discriminator_step.optimizer.zero_grad(set_to_none=True)
        shift = draw_shift()
        halfway = self._draw_halfway()
        pairs = []
        for low_res, high_res, share, context in self.parts(batch):
            with context:
                generated = self._enlarged_halfway(low_res) if halfway else self.enlarged(low_res)
                self._backward(generated, low_res, high_res, shift, share, 0.5 if halfway else 1.0, recorded)
            pairs.append((high_res, generated.detach(), share))
        self.step_generator()
        if not self.config.discriminator_steps:
            return self.means(recorded)
        self.discriminator_step.step()
        for _ in range(self.config.discriminator_steps - 1):
            self.discriminator_step.repeat(pairs, recorded)
        for name in ("discriminator", "photo_ahead", "gradient_penalty", "r1_penalty"):
            if name in recorded:
                recorded[name] = recorded[name] / self.config.discriminator_steps
        return self.means(recorded)

    def _backward(
        self,
        generated: Tensor,
        low_res: Tensor,
        high_res: Tensor,
        shift: Shift,
        share: float,
        texture_share: float,
        recorded: dict[str, Tensor],
    ) -> None:
        """Leave both networks' gradients of one part of the batch."""
        seen = generated.detach().requires_grad_()
        logits = self.discriminator_step.logits(high_res, seen, shift) if self.config.discriminator_steps else None
        texture, parts = self._texture_losses(seen, high_res, logits, shift)
        (texture_gradient,) = torch.autograd.grad(self.scaler.scale(texture), seen, retain_graph=True)
        if logits is not None:
            self.discriminator_step.backward(logits, (high_res, seen.detach()), shift, share, recorded)
        pixel, pixel_parts = weighted(seen, high_res, self.config.loss_weights)
        (pixel_gradient,) = torch.autograd.grad(pixel, seen)
        trust = self._trust(low_res, high_res)
        restoring = 1 + self.config.restoration_weight * (1 - trust)
        # the texture losses pass networks in half precision: their gradient is scaled already
        gradient = share * (self.scaler.scale(restoring * pixel_gradient) + texture_share * trust * texture_gradient)
        generated.backward(gradient)  # type: ignore[no-untyped-call]
        add_losses(recorded, {"loss": (pixel + texture).detach(), **parts, **pixel_parts}, share)

    def _draw_halfway(self) -> bool:
        probability = self.config.halfway_probability
        return bool(probability) and float(torch.rand(())) < probability

    def _enlarged_halfway(self, low_res: Tensor) -> Tensor:
        """Do what `enlarged` does with the mean of the parameters and those at the start of the phase."""
        between = {
            name: each.lerp(self.starting_parameters[name], 0.5) for name, each in self.generator.named_parameters()
        }
        return self.enlarged_with(between, low_res)

    def _texture_losses(
        self, generated: Tensor, high_res: Tensor, logits: tuple[Tensor, Tensor] | None, shift: Shift
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum adversarial, perceptual and energy losses; return the parts too, before their weights.

        The feature network strides over the pixels by 2, 4 and 8. Shifted by chance, no pixel has a fixed place in
        its grid, and a grid that pleases the features at one place displeases them at the next.
        """
        loss, parts = 0 * generated.sum(), {}
        if logits is not None:
            adversarial = self.discriminator_step.loss.for_generator(*logits)
            loss = loss + self.config.adversarial_weight * adversarial
            parts["adversarial"] = adversarial.detach()
        if self.perceptual is not None and self.config.perceptual_weight:
            with self.autocast():
                distance = self.perceptual(shifted(generated, *shift), shifted(high_res, *shift))
            loss = loss + self.config.perceptual_weight * distance
            parts["perceptual"] = distance.detach()
        if self.config.energy_weight:
            difference = energy_difference(generated, high_res)
            loss = loss + self.config.energy_weight * difference
            parts["energy"] = difference.detach()
        return loss, parts

    def _trust(self, low_res: Tensor, high_res: Tensor) -> Tensor:
        """Return how much of the texture losses each patch feels, (N, 1, 1, 1): 1 where its input is clean.

        What noise and JPEG took away is not there to be sharpened: a small net that is asked for texture on such
        inputs sharpens their blocks.
        """
        if not self.config.texture_tolerance:
            return low_res.new_ones(len(low_res), 1, 1, 1)
        clean = functional.interpolate(high_res, low_res.shape[2:], mode="bicubic", antialias=True)
        power = (255 * (clean - low_res)).square().mean(dim=(1, 2, 3), keepdim=True)
        return 1 / (1 + power / self.config.texture_tolerance**2)
