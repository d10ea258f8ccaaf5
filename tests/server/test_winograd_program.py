"""Any list of convolutions with skips and steps, in C++: torch's pixels, in as few buffers as will do."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from server.device.winograd.network import CompiledProgram, WinogradNetwork, load_kernel
from server.device.winograd.program import (
    PICTURE,
    Convolution,
    Kind,
    Program,
    Step,
    WinogradFault,
    buffers_of,
    program_of,
)
from weights import Generator, build_generator, enlarge
from weights.winograd import compiler

EXACT = 1e-5  # of the largest number
SIZES = [(1, 1), (1, 50), (31, 1), (6, 6), (13, 7), (12, 48), (37, 103)]
RANDOM = np.random.default_rng(5)


class Block(nn.Module):
    """Three convolutions; what the last one finds weighs what the block passes on."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(features, features, 3, padding=1) for _ in range(3))

    def forward(self, trunk: Tensor) -> Tensor:
        first, second, third = self.convolutions
        found: Tensor = third(functional.silu(second(functional.silu(first(trunk)))))
        return (trunk + found) * (found.sigmoid() - 0.5)


class Attentive(Generator):
    """A generator of SPAN's kind (Wan et al. 2024)."""

    architecture: ClassVar[str] = "span"

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, features, 3, padding=1)
        self.blocks = nn.ModuleList(Block(features) for _ in range(blocks))
        self.join = nn.Conv2d(3 * features, features, 1)
        self.last = nn.Conv2d(features, 12, 3, padding=1)

    def forward(self, low_res: Tensor) -> Tensor:
        outputs = [self.head(low_res)]
        for block in self.blocks:
            outputs.append(block(outputs[-1]))
        joined = self.join(torch.cat((outputs[0], outputs[1], outputs[-1]), dim=1))
        return functional.pixel_shuffle(self.last(joined), 2)


pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")


def _attentive(features: int, blocks: int) -> Attentive:
    torch.manual_seed(features)
    generator = Attentive(features, blocks).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if parameter.dim() == 4 and "last" not in name:
            parameter.mul_(3)  # else nothing much is left after the first attention
    return generator


def _close(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    return bool(np.abs(found - expected).max() <= EXACT * max(1.0, float(np.abs(expected).max())))


@pytest.mark.parametrize("size", SIZES)
def test_blocks_with_attention_agree_with_torch_for_any_size_and_number_of_threads(size: tuple[int, int]) -> None:
    generator = _attentive(20, 3)
    tile = RANDOM.random((2, 3, *size), dtype=np.float32)
    with torch.inference_mode():
        exact = enlarge(generator, torch.from_numpy(tile)).numpy()
        plain = functional.interpolate(torch.from_numpy(tile), scale_factor=2).numpy()
    assert np.abs(exact - plain).max() > 0.01  # there is something to be equal to
    single = WinogradNetwork(generator, 1)(tile)
    assert _close(single, exact)
    for threads in (2, 5):
        run = WinogradNetwork(generator, threads)
        assert all(np.array_equal(run(tile), single) for _ in range(5)), f"{threads} threads"


@pytest.mark.parametrize(("features", "blocks"), [(5, 1), (48, 4), (64, 6)])
def test_blocks_with_attention_agree_with_torch_for_any_number_of_them(features: int, blocks: int) -> None:
    generator = _attentive(features, blocks)
    tile = RANDOM.random((1, 3, 40, 61), dtype=np.float32)
    with torch.inference_mode():
        exact = enlarge(generator, torch.from_numpy(tile)).numpy()
    assert _close(WinogradNetwork(generator, 3)(tile), exact)


def _drawn(outputs: int, inputs: int, size: int, sources: tuple[int, ...], *steps: Step) -> Convolution:
    weight = (
        RANDOM.standard_normal((outputs, inputs, size, size), dtype=np.float32) / np.float32(inputs * size**2) ** 0.5
    )
    return Convolution(sources, weight.astype(np.float32), RANDOM.standard_normal(outputs, dtype=np.float32), steps)


def _factor(value: float) -> NDArray[np.float32]:
    return np.array([value], np.float32)


def _everything() -> Program:
    """Every kind of step, alone and after another, from near and far; channels of any number, joined by both sizes."""
    slopes = RANDOM.random(20, dtype=np.float32)
    return (
        _drawn(7, 3, 3, (PICTURE,), Step(Kind.SILU)),
        _drawn(20, 7, 3, (0,), Step(Kind.SLOPE, factors=slopes)),
        _drawn(20, 20, 1, (1,), Step(Kind.ADD, 1, _factor(0.2)), Step(Kind.SLOPE, factors=slopes)),
        _drawn(7, 27, 3, (2, 0), Step(Kind.ATTENTION, 0, _factor(0))),
        _drawn(20, 27, 1, (1, 3), Step(Kind.SILU), Step(Kind.ADD, 2, _factor(-1.5))),
        *(_drawn(20, 20, 3, (number,), Step(Kind.ATTENTION, 4, _factor(1))) for number in range(4, 13)),
        _drawn(20, 20, 3, (13,), Step(Kind.ADD, 4, _factor(0.5)), Step(Kind.ADD, 2, _factor(1))),
        _drawn(12, 27, 3, (14, 3)),
    )


def _by_torch(program: Program, tile: Tensor) -> Tensor:
    done: list[Tensor] = []
    for convolution in program:
        read = torch.cat([tile if source == PICTURE else done[source] for source in convolution.sources], dim=1)
        weight, bias = (torch.from_numpy(each) for each in (convolution.weight, convolution.bias))
        result = functional.conv2d(read, weight, bias, padding=weight.shape[2] // 2)
        for step in convolution.steps:
            factors = torch.from_numpy(step.factors)
            if step.kind == Kind.SLOPE:
                result = functional.prelu(result, factors)
            elif step.kind == Kind.SILU:
                result = functional.silu(result)
            else:
                gate = result.sigmoid() - 0.5 if step.kind == Kind.ATTENTION else 1
                result = (done[step.source] + factors * result) * gate
        done.append(result)
    return functional.pixel_shuffle(done[-1], 2) + functional.interpolate(tile, scale_factor=2)


@pytest.mark.parametrize("size", SIZES)
def test_every_step_agrees_with_torch_after_both_sizes_of_convolution(size: tuple[int, int]) -> None:
    program = _everything()
    tile = RANDOM.random((1, 3, *size), dtype=np.float32)
    exact = _by_torch(program, torch.from_numpy(tile).double().float()).numpy()
    native = load_kernel()
    single = CompiledProgram(program, 1, native)(tile)
    assert _close(single, exact)
    for threads in (2, 7):
        run = CompiledProgram(program, threads, native)
        assert all(np.array_equal(run(tile), single) for _ in range(5)), f"{threads} threads"


def test_the_sigmoid_agrees_with_torchs_for_large_and_small_numbers() -> None:
    steps = (Step(Kind.SILU),)
    head = np.zeros((1, 3, 3, 3), np.float32)
    head[0, 0, 1, 1] = 1
    last = np.zeros((12, 1, 3, 3), np.float32)
    last[:, 0, 1, 1] = 1
    program = (Convolution((PICTURE,), head, np.zeros(1, np.float32), steps),
               Convolution((0,), last, np.zeros(12, np.float32)))  # fmt: skip
    numbers = np.concatenate([np.linspace(-100, 100, 3001), np.linspace(-1, 1, 2000)]).astype(np.float32)
    tile = np.zeros((1, 3, 1, len(numbers)), np.float32)
    tile[0, 0] = numbers
    found = CompiledProgram(program, 1, load_kernel())(tile)[0, 1, 0, ::2]  # of a colour with nothing added
    expected = functional.silu(torch.from_numpy(numbers).double()).numpy()
    neighbours = np.convolve(np.abs(expected), np.ones(9), "same")  # which share a block's rounding
    assert (np.abs(found - expected) <= 2e-6 * neighbours + 1e-6).all()


def test_a_chain_takes_two_buffers_and_blocks_with_attention_five() -> None:
    compact = program_of(build_generator("compact", {"features": 8, "layers": 9}))
    assert buffers_of(compact) == ([8, 8], [number % 2 for number in range(10)])
    channels, _ = buffers_of(program_of(_attentive(8, 6)))
    assert channels == [8] * 5  # head and first block, which the end reads, and three that take turns


def test_another_number_of_outputs_is_left_to_torch() -> None:
    generator = _attentive(8, 1)
    generator.last = nn.Conv2d(8, 3, 3, padding=1)
    with pytest.raises(WinogradFault, match="ends in another way"):
        program_of(generator)
