"""What every generator is: a frozen configuration, a scale, a receptive radius, and a residual.

A generator maps low-resolution RGB (N, 3, H, W), float, 0…1, to what must be *added* to the nearest-neighbour
enlargement of its input: (N, 3, 2H, 2W). The sum is made in float32 by `enlarge`, outside the half-precision part,
because bfloat16 alone keeps 8 significant bits: a 16-bit ramp would come out with 208 levels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from weights.errors import InvalidConfig

SCALE = 2


@dataclass(frozen=True)
class GeneratorConfig:
    """Base of the configurations: whole numbers, each at least 1 unless the subclass says otherwise."""

    may_be_zero: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        faults = [
            f"{field.name} is {getattr(self, field.name)!r}"
            for field in fields(self)
            if type(getattr(self, field.name)) is not int
            or getattr(self, field.name) < (field.name not in self.may_be_zero)
        ]
        if faults:
            raise InvalidConfig(
                f"{type(self).__name__}: {', '.join(faults)}; expected whole numbers of at least 1; "
                "correct the configuration."
            )

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> GeneratorConfig:
        """Build a configuration from JSON or TOML values.

        Args:
            values: field name → whole number; a field left out keeps its default.

        Returns:
            The configuration, of the class this is called on.

        Raises:
            InvalidConfig: A field that the class does not have, or a value outside its range.
        """
        known = {field.name for field in fields(cls)}
        foreign = sorted(set(values) - known)
        if foreign:
            raise InvalidConfig(
                f"{cls.__name__} has no field {', '.join(foreign)}; expected some of {', '.join(sorted(known))}; "
                "remove or rename it."
            )
        return cls(**values)


class Generator(nn.Module):
    """Base of the generators; subclasses set the class variables and define `forward`.

    Attributes:
        architecture: The name in weights files and configurations.
        scale: Enlargement factor per axis.
        adds_nearest: Whether the output is a residual on top of the nearest-neighbour enlargement; foreign
            architectures return the finished picture instead.
        half_precisions: Those that the architecture bears at all.
        memory_format: In which its parameters and its input lie; channels-last is the faster one for convolutions.
        receptive_radius: Input pixels beyond which an output pixel cannot be influenced.
        config: The frozen configuration that rebuilds this module.
    """

    architecture: str
    config_class: ClassVar[type[GeneratorConfig]]
    scale: int = SCALE
    adds_nearest: bool = True
    half_precisions: tuple[torch.dtype, ...] = (torch.float16, torch.bfloat16)
    memory_format: ClassVar[torch.memory_format] = torch.channels_last
    config: GeneratorConfig

    @property
    def receptive_radius(self) -> int:
        """Input pixels beyond which an output pixel cannot be influenced."""
        raise NotImplementedError


def enlarge(generator: Generator, low_res: Tensor, compute_dtype: torch.dtype | None = None) -> Tensor:
    """Enlarge a batch: the generator in its own precision, the sum with the nearest-neighbour enlargement in float32.

    Args:
        generator: Any generator; its parameters must have `compute_dtype` already, where one is given.
        low_res: (N, 3, H, W), float32, RGB, 0…1; channels-last memory is kept.
        compute_dtype: What the input of the generator is converted to; None leaves it as it is.

    Returns:
        (N, 3, scale·H, scale·W), float32, not clipped; only other projects' networks have another scale than SCALE.
    """
    residual: Tensor = generator(low_res if compute_dtype is None else low_res.to(compute_dtype))
    if not generator.adds_nearest:
        return residual.float()
    return residual.float() + functional.interpolate(low_res, scale_factor=generator.scale, mode="nearest")


class Enlarge(nn.Module):
    """`enlarge` as a module: what is compiled, spread over processes or exported.

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


def parameter_count(module: nn.Module) -> int:
    """Return how many numbers a training may change in `module`."""
    return sum(parameter.numel() for parameter in module.parameters())
