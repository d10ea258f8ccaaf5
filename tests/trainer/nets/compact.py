"""Compact generators as trainings meet them, for the tests of Winograd's passes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from trainer.nets.reparameterisation import over_parameterise
from weights import Generator, build_generator
from weights.winograd import compiler

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")


def trained_compact(features: int = 8, layers: int = 2, expansion: int = 0, *, fixed_slopes: bool = False) -> Generator:
    torch.manual_seed(features)
    plain = build_generator("compact", {"features": features, "layers": layers})
    trained = over_parameterise(plain, expansion, fixed_slopes=fixed_slopes)
    with torch.no_grad():
        for name, parameter in trained.named_parameters():
            if name.endswith("bias") or parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))  # none is left where it began, alike for all channels
    return trained.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def same(one: dict[str, Tensor | None], other: dict[str, Tensor | None]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)  # type: ignore[arg-type]
