"""Base of both phases: a generator, its running average, an optimizer, a step number.

All state lives here; batches and chance depend on the step alone, so a resumed phase computes what one that never
stopped would have computed. Must not know: files of patches, validation, checkpoint files.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from trainer.config import TrainingConfig
from trainer.data.batches import Batch
from trainer.data.degradation.degrade import SCALE
from trainer.data.pairs import scale_of
from trainer.nets.activation_checkpointing import checkpoint_activations
from trainer.nets.reparameterisation import reparameterise
from trainer.nets.winograd import Choice, chosen_passes, convolve_by_winograd
from trainer.optim.optimizers import build_optimizer
from trainer.training.distributed import World
from trainer.training.precision import check_precision, compute_dtype, gradient_scaler
from trainer.training.resume import check_same_settings
from weights import Enlarge, Generator


class Phase(ABC):
    """A generator on its way through one phase.

    Args:
        config: The settings.
        device: Where it trains.
        trained: The generator as it is trained: over-parameterised or plain; it is moved to the device.
        world: The processes that train together.
    """

    name: ClassVar[str]
    steps: int

    def __init__(self, config: TrainingConfig, device: torch.device, trained: Generator, world: World) -> None:
        self.config = config
        self.device = device
        self.world = world
        moved = trained.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator: Generator = moved.train()
        self.average: Generator = copy.deepcopy(self.generator).requires_grad_(False)
        self.convolutions: Choice = chosen_passes(config, device)
        self.optimizer = build_optimizer(config, self.generator)
        self.network = self._network()
        self.dtype = compute_dtype(config, device)
        self.precision_checked = self.convolutions.passes is not None  # the generator is in float32 then
        self.scaler = gradient_scaler(device, self.dtype)
        self.part_count = config.accumulate  # grows where the memory does not suffice
        self.step = 0
        self.seconds = 0.0
        self.learning_rate_factor = 1.0
        self.setbacks = 0

    @abstractmethod
    def set_learning_rates(self) -> None:
        """Set every optimizer's learning rate for the next step."""

    @abstractmethod
    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the losses of a batch and their gradients, and move the parameters once.

        Args:
            batch: low_res (N, 3, H, W) and high_res (N, 3, sH, sW) on the device, float32, 0…1, channels-last.

        Returns:
            The losses before the step, means over all processes, still on the device.
        """

    @torch.no_grad()
    def update_average(self) -> None:
        """Let the running average follow the generator; in the first steps it follows faster."""
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        means: list[Tensor] = list(self.average.parameters())
        currents: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(means, currents, 1 - decay)

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimizers, by the name that checkpoints have for them."""
        return {"optimizer": self.optimizer}

    def scalers(self) -> dict[str, torch.amp.GradScaler]:
        """Return the scaler of each optimizer's gradients, by the name that checkpoints have for it."""
        return {"gradient_scaler": self.scaler}

    def finished(self) -> Generator:
        """Return the averaged generator, plain, float32, evaluation mode, on the CPU."""
        return reparameterise(self.average).to("cpu")

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs."""
        return {
            "phase": self.name,
            "config": self.config.to_dict(),
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            **{name: optimizer.state_dict() for name, optimizer in self.optimizers().items()},
            "step": self.step,
            "seconds": self.seconds,
            "rate_factor": self.learning_rate_factor,
            "setbacks": self.setbacks,
            **{name: scaler.state_dict() for name, scaler in self.scalers().items()},
        }

    def restore(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint.

        Args:
            state: What `state` returned.
            source: The checkpoint's path, for the message.

        Raises:
            CheckpointError: The checkpoint belongs to other settings.
        """
        check_same_settings(self.config, self.name, state, source)
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers().items():
            optimizer.load_state_dict(state[name])
        for name, scaler in self.scalers().items():
            if scaler.is_enabled() and state.get(name):
                scaler.load_state_dict(state[name])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.learning_rate_factor, self.setbacks = float(state.get("rate_factor", 1.0)), int(state.get("setbacks", 0))

    def prepare(self, low_res: Tensor) -> None:
        """Choose the precision at the first batch, and seed what is drawn on the device by seed, step and process."""
        if not self.precision_checked:
            self.dtype = check_precision(Enlarge(self.generator), low_res, self.config, self.dtype)
            self.precision_checked = True
        torch.manual_seed(((self.config.seed << 40) + (self.world.rank << 32) + self.step) % 2**63)

    def means(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the means of this step's losses over all processes; nothing waits for the device."""
        values = self.world.mean(torch.stack([value.float() for value in losses.values()]))
        return dict(zip(losses, values.unbind(), strict=True))

    def parts(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, float, AbstractContextManager[None]]]:
        """Split a batch to save memory.

        Args:
            batch: low_res and high_res.

        Yields:
            low_res, high_res, the part's share of the batch, and a context in which its backward pass belongs.
        """
        split = list(zip(*(side.chunk(self.part_count) for side in batch), strict=True))
        for number, (low_res, high_res) in enumerate(split, start=1):
            context: AbstractContextManager[None] = nullcontext()
            if isinstance(self.network, DistributedDataParallel) and number < len(split):
                context = self.network.no_sync()
            yield low_res, high_res, len(low_res) / len(batch[0]), context

    def enlarged(self, low_res: Tensor) -> Tensor:
        """Map low_res to float32 pictures of this step's size, in this training's precision."""
        with self._convolving():
            generated: Tensor = self.network(low_res, self._times())
        return generated.float()

    def enlarged_by_average(self, low_res: Tensor) -> Tensor:
        """Do what `enlarged` does with the averaged parameters."""
        return self.enlarged_with(dict(self.average.named_parameters()), low_res)

    def enlarged_with(self, parameters: Mapping[str, Tensor], low_res: Tensor) -> Tensor:
        """Do what `enlarged` does with other parameters; with the generator's own forward pass, the fast one.

        Args:
            parameters: By the generator's names; gradients flow back through them.
            low_res: As for `enlarged`.

        Returns:
            float32 pictures of this step's size.
        """
        named: dict[str, Tensor] = {f"generator.{name}": each for name, each in parameters.items()}
        with self._convolving():
            generated: Tensor = functional_call(Enlarge(self.generator), named, (low_res, self._times()))
        return generated.float()

    def _convolving(self) -> AbstractContextManager[Any]:
        """Return the context in which the generator is computed: our own passes are in float32."""
        return nullcontext() if self.convolutions.passes else self.autocast()

    def _times(self) -> int:
        return 2 if scale_of(self.step, self.config) == SCALE * SCALE else 1

    def autocast(self) -> torch.autocast:
        """Return the context in which torch's convolutions are computed."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def step_generator(self) -> None:
        """Clip the generator's gradient where that is asked for, and move its parameters."""
        if self.config.gradient_clip:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.generator.parameters(), self.config.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _network(self) -> nn.Module:
        if self.config.checkpoint_activations:
            checkpoint_activations(self.generator)
        if self.convolutions.passes is not None:
            convolve_by_winograd(self.generator, self.convolutions.passes)
        network: nn.Module = Enlarge(self.generator)
        if self.world.size > 1:
            network = DistributedDataParallel(network, broadcast_buffers=False)
        if self.config.compile:
            network.compile()
        return network


def add_losses(total: dict[str, Tensor], losses: dict[str, Tensor], share: float) -> None:
    """Add a part's losses to those of the whole batch.

    Args:
        total: Changed in place.
        losses: By name.
        share: Of the part in the batch, 0…1.
    """
    for name, value in losses.items():
        total[name] = total.get(name, torch.zeros_like(value)) + share * value
