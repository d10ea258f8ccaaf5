"""What both phases have in common: a generator, its running average, an optimizer, a step number.

All state lives here; batches and chance depend on the step alone, so a resumed phase computes what one that never
stopped would have computed. Must not know: files of patches, validation, checkpoint files.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parallel import DistributedDataParallel

from trainer.collapse import collapse
from trainer.config import TrainingConfig
from trainer.dataset import Batch, RawBatch, on_device, scale_of
from trainer.degradation.degrade import SCALE
from trainer.distributed import World
from trainer.errors import CheckpointError
from trainer.memory import checkpoint_activations
from trainer.muon import Muon
from trainer.precision import check_precision, compute_dtype
from trainer.winograd import Choice, chosen_passes, convolve_by_winograd
from weights import Generator, enlarge


class Enlarging(nn.Module):
    """A generator with its sum, applied once or several times; what is compiled or spread over processes.

    Args:
        generator: Any generator.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, low_res: Tensor, times: int = 1) -> Tensor:
        """Map (N, 3, H, W) to (N, 3, 2^times H, 2^times W), float32, not clipped in the end."""
        picture = enlarge(self.generator, low_res)
        for _ in range(times - 1):
            picture = enlarge(self.generator, picture.clamp(0, 1))
        return picture


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
    highest_rate: float

    def __init__(self, config: TrainingConfig, device: torch.device, trained: Generator, world: World) -> None:
        self.config = config
        self.device = device
        self.world = world
        moved = trained.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator: Generator = moved.train()
        self.average: Generator = copy.deepcopy(self.generator).requires_grad_(False)
        self.convolutions: Choice = chosen_passes(config, device)
        self.optimizer = _optimizer(config, self.generator)
        self.network = self._network()
        self.dtype = compute_dtype(config, device)
        self.precision_checked = self.convolutions.passes is not None  # the generator is in float32 then
        self.step = 0
        self.seconds = 0.0
        self.rate_factor = 1.0
        self.setbacks = 0

    @abstractmethod
    def losses_of(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the batch's losses and leave all gradients of this step; return the losses for the record."""

    @abstractmethod
    def set_rates(self) -> None:
        """Set every optimizer's rate for the next step."""

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Return the optimizers, by the name that checkpoints have for them."""
        return {"optimizer": self.optimizer}

    def learn(self, batch: Batch | RawBatch) -> dict[str, float]:
        """Make one step.

        Args:
            batch: As loaded.

        Returns:
            The losses before the step, means over all processes.
        """
        started = time.monotonic()
        losses = self.move(on_device(batch, self.config, self.device))
        values = self.world.mean(torch.stack([value.float() for value in losses.values()])).tolist()
        self.seconds += time.monotonic() - started
        return dict(zip(losses, values, strict=True))

    def move(self, batch: Batch) -> dict[str, Tensor]:
        """Make one step on a batch that lies on the device.

        Args:
            batch: low_res and high_res, float32, 0…1, channels-last.

        Returns:
            This process's losses before the step; they stay on the device, so that nobody has to wait for them.
        """
        self.set_rates()
        if not self.precision_checked:
            self.dtype = check_precision(Enlarging(self.generator), batch[0], self.config, self.dtype)
            self.precision_checked = True
        # whatever is drawn on this device depends on seed, step and process alone
        torch.manual_seed(((self.config.seed << 40) + (self.world.rank << 32) + self.step) % 2**63)
        losses = self.losses_of(batch)
        self._follow()
        self.step += 1
        return losses

    def finished(self) -> Generator:
        """Return the averaged generator, plain, float32, evaluation mode, on the CPU."""
        return collapse(self.average).to("cpu")

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
            "rate_factor": self.rate_factor,
            "setbacks": self.setbacks,
        }

    def restore(self, state: dict[str, Any], source: Path) -> None:
        """Go on from a checkpoint.

        Args:
            state: What `state` returned.
            source: The checkpoint's path, for the message.

        Raises:
            CheckpointError: The checkpoint belongs to other settings.
        """
        now = self.config.to_dict()
        then = TrainingConfig().to_dict() | state["config"]  # settings that came later have their default
        unused = self.config.unused_in(self.name)
        other = sorted(name for name in now if name not in unused and now[name] != then[name])
        if other:
            raise CheckpointError(
                f"{source} was made with other settings ({', '.join(f'{n}: {then.get(n)!r}' for n in other)}); "
                f"expected {', '.join(f'{n}: {now[n]!r}' for n in other)}; use the same settings or another run folder."
            )
        self.generator.load_state_dict(state["generator"])
        self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers().items():
            optimizer.load_state_dict(state[name])
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.rate_factor, self.setbacks = float(state.get("rate_factor", 1.0)), int(state.get("setbacks", 0))

    def parts(self, batch: Batch) -> Iterator[tuple[Tensor, Tensor, float, AbstractContextManager[None]]]:
        """Split a batch to save memory.

        Args:
            batch: low_res and high_res.

        Yields:
            low_res, high_res, the part's share of the batch, and a context in which its backward pass belongs.
        """
        split = list(zip(*(side.chunk(self.config.accumulate) for side in batch), strict=True))
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
            generated: Tensor = functional_call(Enlarging(self.generator), named, (low_res, self._times()))
        return generated.float()

    def _convolving(self) -> AbstractContextManager[Any]:
        """Return the context in which the generator is computed: our own passes are in float32."""
        return nullcontext() if self.convolutions.passes else self.autocast()

    def _times(self) -> int:
        return 2 if scale_of(self.step, self.config) == SCALE * SCALE else 1

    def autocast(self) -> torch.autocast:
        """Return the context in which torch's convolutions are computed."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def clip_and_step(self) -> None:
        """Clip the generator's gradient where that is asked for, and move its parameters."""
        if self.config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.generator.parameters(), self.config.gradient_clip)
        self.optimizer.step()

    def _network(self) -> nn.Module:
        if self.config.checkpoint_activations:
            checkpoint_activations(self.generator)
        if self.convolutions.passes is not None:
            convolve_by_winograd(self.generator, self.convolutions.passes)
        network: nn.Module = Enlarging(self.generator)
        if self.world.size > 1:
            network = DistributedDataParallel(network, broadcast_buffers=False)
        if self.config.compile:
            network.compile()
        return network

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        means: list[Tensor] = list(self.average.parameters())
        currents: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(means, currents, 1 - decay)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _optimizer(config: TrainingConfig, module: nn.Module) -> torch.optim.Optimizer:
    if config.optimizer == "adamw":
        return torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    if config.optimizer == "muon":
        return Muon(
            module.parameters(),
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    return torch.optim.Adam(module.parameters(), lr=config.learning_rate)
