"""Muon makes kernels' moves orthogonal and moves everything else as Adam does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from trainer.optim.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(12, 108), (48, 27), (16, 16)])
def test_singular_values_come_near_one_and_singular_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    matrix = left @ torch.diag(torch.linspace(1, 0.1, len(values))) @ right
    inside = left.T @ orthogonalised(matrix) @ right.T
    on, off = inside.diagonal(), inside - torch.diag(inside.diagonal())
    assert float(on.min()) > 0.6
    assert float(on.max()) < 1.3
    assert float(off.abs().max()) < 1e-4


def test_kernels_of_one_shape_move_together_as_each_alone() -> None:
    random = torch.Generator().manual_seed(5)
    gradients = [[torch.randn(8, 4, 3, 3, generator=random) for _ in range(3)] for _ in range(2)]
    together = [nn.Parameter(torch.zeros(8, 4, 3, 3)) for _ in range(3)]
    optimizer = Muon(together, lr=0.01)
    for step in gradients:
        for parameter, gradient in zip(together, step, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    for number, parameter in enumerate(together):
        alone = _moved(torch.zeros(8, 4, 3, 3), [step[number] for step in gradients])
        assert torch.allclose(parameter.detach(), alone, rtol=1e-4, atol=1e-7)


def test_a_gradients_size_does_not_matter_to_a_kernel() -> None:
    gradient = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(2))
    small, large = (_moved(torch.zeros(8, 4, 3, 3), [factor * gradient]) for factor in (1e-3, 1e3))
    assert torch.allclose(small, large, rtol=1e-3, atol=1e-6)
    assert float(small.abs().max()) > 0


def test_the_move_of_a_kernel_has_the_rate_as_its_spectral_norm() -> None:
    gradient = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(3))
    moved = _moved(torch.zeros(8, 4, 3, 3), [gradient], rate=0.02)
    assert 0.014 < float(torch.linalg.matrix_norm(moved.reshape(8, -1), 2)) < 0.026


def test_biases_move_as_by_adam_at_a_tenth_of_the_rate() -> None:
    gradients = list(torch.randn(5, 7, generator=torch.Generator().manual_seed(4)))
    ours = _moved(torch.zeros(7), gradients, rate=0.02)

    def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=0.002, betas=(0.9, 0.99))

    assert torch.allclose(ours, _moved(torch.zeros(7), gradients, adam), rtol=1e-5, atol=1e-8)


def test_kernels_lose_a_share_of_themselves_in_units_of_the_rate_and_biases_nothing() -> None:
    def decaying(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return Muon(parameters, lr=0.02, weight_decay=5.0)

    random = torch.Generator().manual_seed(6)
    for shape, kept in (((8, 4, 3, 3), 0.9), ((7,), 1.0)):
        start, gradient = torch.randn(shape, generator=random), torch.randn(shape, generator=random)
        plain = _moved(start, [gradient], rate=0.02) - start
        assert torch.allclose(_moved(start, [gradient], decaying), kept * start + plain, rtol=1e-5, atol=1e-6)


def test_a_state_from_before_there_was_weight_decay_goes_on_without() -> None:
    parameter = nn.Parameter(torch.ones(4, 4))
    older = Muon([parameter], lr=0.1).state_dict()
    del older["param_groups"][0]["weight_decay"]
    optimizer = Muon([parameter], lr=0.1, weight_decay=5.0)
    optimizer.load_state_dict(older)
    parameter.grad = torch.zeros(4, 4)
    optimizer.step()
    assert torch.equal(parameter, torch.ones(4, 4))


def test_what_has_no_gradient_stays() -> None:
    still = nn.Parameter(torch.ones(3, 3))
    Muon([still], lr=0.1).step()
    assert torch.equal(still, torch.ones(3, 3))


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="expected none"):
        Muon([nn.Parameter(torch.ones(1))], lr=0.1).step(lambda: 0.0)


def _moved(
    start: Tensor,
    gradients: list[Tensor],
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer] | None = None,
    rate: float = 0.01,
) -> Tensor:
    """Return where a parameter is after a step for each gradient."""
    parameter = nn.Parameter(start.clone())
    optimizer = make([parameter]) if make else Muon([parameter], lr=rate)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()
