"""A generator as winograd.cpp computes it: convolutions in order, from earlier ones' results, and steps that follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from server.errors import CannotRun
from weights import Generator

PICTURE = -1  # in place of a convolution: the colours of the tile
OUTPUTS = 12  # of the last convolution: three colours of 2×2 pixels


class WinogradFault(CannotRun):
    """A generator cannot be run by Winograd's filtering here; `str()` is a clause that says why."""


class Kind(IntEnum):
    """What a step makes of each result h, with x at the same place of another convolution; as in the C++."""

    ADD = 0  # x + factor · h
    SLOPE = 1  # h above zero, factor · h below, with a factor for each channel
    SILU = 2  # h · σ(h)
    ATTENTION = 3  # (x + factor · h) · (σ(h) − ½)


@dataclass(frozen=True)
class Step:
    """What follows a convolution."""

    kind: Kind  # What is done
    source: int = PICTURE  # The convolution whose finished results are x; only of ADD and ATTENTION
    # (channels,) for SLOPE, else (1,); float32
    factors: NDArray[np.float32] = field(default_factory=lambda: np.ones(1, np.float32))


@dataclass(frozen=True)
class Convolution:
    """A convolution with zeros around what it reads, and what follows it."""

    # The convolutions whose finished results it reads, one after the other along the channels; or PICTURE
    sources: tuple[int, ...]
    weight: NDArray[np.float32]  # (outputs, inputs, 3, 3) or (outputs, inputs, 1, 1), float32
    bias: NDArray[np.float32]  # (outputs,), float32
    steps: tuple[Step, ...] = ()  # In the order in which they are taken

    def reads(self, convolution: int) -> bool:
        """Return whether it needs the finished results of another one."""
        return convolution in self.sources or any(step.source == convolution for step in self.steps)


Program = Sequence[Convolution]


def program_of(generator: Generator) -> Program:
    """Describe a generator up to the pixel shuffle, which the sum with the nearest-neighbour enlargement follows.

    Args:
        generator: float32, on the CPU.

    Returns:
        The convolutions in the order in which they run; the last one's results are the residual.

    Raises:
        WinogradFault: There is no such form of the architecture, or of this generator.
    """
    describe = ARCHITECTURES.get(generator.architecture)
    if describe is None:
        raise WinogradFault(f"{generator.architecture} is no list of such convolutions")
    program = describe(generator)
    if len(program) < 2 or len(program[-1].bias) != OUTPUTS or program[-1].weight.shape[2] != 3:
        raise WinogradFault(f"this {generator.architecture} generator ends in another way")
    return program


def buffers_of(program: Program) -> tuple[list[int], list[int]]:
    """Share buffers out among the results of a program.

    Args:
        program: What is computed.

    Returns:
        The channels of each buffer; and for each convolution but the last the buffer that its results go to, which
        holds nothing that is still needed.
    """
    channels: list[int] = []
    places: list[int] = []
    for number, convolution in enumerate(program[:-1]):
        outputs = len(convolution.bias)
        taken = {
            places[earlier] for earlier in range(number) if any(later.reads(earlier) for later in program[number:])
        }
        free = [place for place, count in enumerate(channels) if count == outputs and place not in taken]
        if not free:
            free = [len(channels)]
            channels.append(outputs)
        places.append(free[0])
    return channels, places


def _compact(generator: Generator) -> Program:
    """Describe convolutions, each but the last with a slope for each channel."""
    modules = list(generator.get_submodule("body").children())
    slopes = [slope for slope in modules[1::2] if isinstance(slope, nn.PReLU)]
    if len(slopes) != len(modules[1::2]):
        raise WinogradFault("this compact generator has layers in another order")
    steps: list[tuple[Step, ...]] = [(Step(Kind.SLOPE, factors=_numbers(slope.weight)),) for slope in slopes]
    return [
        _convolution(module, number - 1, steps=following)
        for number, (module, following) in enumerate(zip(modules[::2], [*steps, ()], strict=True))
    ]


def _span(generator: Generator) -> Program:
    """Describe SPAN's blocks of three convolutions, the last of which is the attention of what its block read."""
    program = [_convolution(generator.get_submodule("head"), PICTURE)]
    ends = [0]
    for block in generator.get_submodule("blocks").children():
        first, second, third = block.get_submodule("convolutions").children()
        begin, number = ends[-1], len(program)
        program += [
            _convolution(first, begin, steps=(Step(Kind.SILU),)),
            _convolution(second, number, steps=(Step(Kind.SILU),)),
            _convolution(third, number + 1, steps=(Step(Kind.ATTENTION, begin),)),
        ]
        ends.append(number + 2)
    program.append(_convolution(generator.get_submodule("join"), 0, ends[1], ends[-1]))
    program.append(_convolution(generator.get_submodule("last"), len(program) - 1))
    return program


ARCHITECTURES: dict[str, Callable[[Generator], Program]] = {"compact": _compact, "span": _span}


def _convolution(module: nn.Module, *sources: int, steps: tuple[Step, ...] = ()) -> Convolution:
    if not isinstance(module, nn.Conv2d):
        raise WinogradFault(f"this generator has a {type(module).__name__} where a convolution is expected")
    size, bias = module.kernel_size[0], module.bias
    is_plain = module.stride == module.dilation == (1, 1) and module.groups == 1 and bias is not None
    if (
        size not in (1, 3)
        or module.kernel_size != (size, size)
        or module.padding != (size // 2, size // 2)
        or not is_plain
    ):
        raise WinogradFault("this generator has convolutions of another kind")
    return Convolution(sources, _numbers(module.weight), _numbers(bias), steps)


def _numbers(parameter: Tensor | None) -> NDArray[np.float32]:
    assert parameter is not None
    numbers: NDArray[np.float32] = parameter.detach().numpy()
    return numbers
