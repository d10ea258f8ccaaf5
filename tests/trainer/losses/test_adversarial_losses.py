"""Adversarial losses: formulas, who gains from what, and the gradient penalty."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from trainer.losses.adversarial_losses import ADVERSARIAL_LOSSES, gradient_penalty, r1_penalty

REAL = np.random.default_rng(0).normal(size=(3, 1, 4, 5))
GENERATED = np.random.default_rng(1).normal(size=(3, 1, 4, 5))


def _log_sigmoid(value: np.ndarray) -> np.ndarray:
    return np.log(1 / (1 + np.exp(-value)))


FORMULAS = {
    "relativistic": (-_log_sigmoid(GENERATED - REAL).mean(), -_log_sigmoid(REAL - GENERATED).mean()),
    "relativistic_bounded": (
        -_log_sigmoid(np.minimum(GENERATED - REAL, 0)).mean(),
        -_log_sigmoid(REAL - GENERATED).mean(),
    ),
    "least_squares": (
        0.5 * ((GENERATED - 1) ** 2).mean(),
        0.5 * ((REAL - 1) ** 2).mean() + 0.5 * (GENERATED**2).mean(),
    ),
    "relativistic_least_squares": (
        0.5 * ((GENERATED - REAL - 1) ** 2).mean(),
        0.5 * ((REAL - GENERATED - 1) ** 2).mean(),
    ),
    "wasserstein": (-GENERATED.mean(), GENERATED.mean() - REAL.mean()),
}


@pytest.mark.parametrize("name", sorted(ADVERSARIAL_LOSSES))
def test_both_sides_equal_their_formula(name: str) -> None:
    loss, real, generated = ADVERSARIAL_LOSSES[name], torch.from_numpy(REAL), torch.from_numpy(GENERATED)
    for_generator, for_discriminator = FORMULAS[name]
    assert float(loss.for_generator(real, generated)) == pytest.approx(for_generator)
    assert float(loss.for_discriminator(real, generated)) == pytest.approx(for_discriminator)


@pytest.mark.parametrize("name", sorted(ADVERSARIAL_LOSSES))
def test_the_opponents_pull_in_opposite_directions(name: str) -> None:
    loss = ADVERSARIAL_LOSSES[name]
    real, generated = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), -0.5, requires_grad=True)
    (ours,) = torch.autograd.grad(loss.for_generator(real, generated), generated)
    (theirs,) = torch.autograd.grad(loss.for_discriminator(real, generated - 0.1 + 1), generated)
    assert (ours < 0).all()
    assert (theirs > 0).all()


def test_gradient_is_zero_where_the_generated_looks_more_real_than_the_photo() -> None:
    real, generated = torch.from_numpy(REAL), torch.from_numpy(GENERATED).requires_grad_()
    (gradient,) = torch.autograd.grad(
        ADVERSARIAL_LOSSES["relativistic_bounded"].for_generator(real, generated), generated
    )
    ahead = generated.detach() > real
    assert ahead.any()
    assert not ahead.all()
    assert (gradient[ahead] == 0).all()
    assert (gradient[~ahead] < 0).all()
    (unbounded,) = torch.autograd.grad(ADVERSARIAL_LOSSES["relativistic"].for_generator(real, generated), generated)
    assert (unbounded < 0).all()
    torch.testing.assert_close(gradient[~ahead], unbounded[~ahead])


class _Linear(nn.Module):
    """Scores a picture by a fixed slope, the same everywhere; four equal positions."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return (pictures.sum(dim=(1, 2, 3)) * self.slope)[:, None, None, None].expand(-1, 1, 2, 2)


def test_gradient_penalty_measures_the_slope_and_moves_the_discriminator() -> None:
    critic = _Linear(0.25)  # 3 × 4 × 4 inputs: the gradient's norm is 0.25 × sqrt(48)
    real, generated = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4, requires_grad=True)
    penalty = gradient_penalty(critic, real, generated, torch.rand(2, 1, 1, 1))
    assert float(penalty.detach()) == pytest.approx((0.25 * 48**0.5 - 1) ** 2, rel=1e-5)
    penalty.backward()
    assert critic.slope.grad is not None
    assert float(critic.slope.grad) == pytest.approx(2 * (0.25 * 48**0.5 - 1) * 48**0.5, rel=1e-5)
    assert generated.grad is None


def test_r1_is_half_the_squared_slope_at_photos_and_moves_the_discriminator() -> None:
    critic = _Linear(0.25)
    penalty = r1_penalty(critic, torch.rand(2, 3, 4, 4))
    assert float(penalty.detach()) == pytest.approx(0.25**2 * 48 / 2, rel=1e-5)
    penalty.backward()
    assert float(critic.slope.grad or 0) == pytest.approx(0.25 * 48, rel=1e-5)
