"""Adam until a step, then gradient descent that moves as far."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from trainer.optim.adam_then_sgd import AdamThenSgd

SCALES = torch.tensor([0.5, 1.0, 2.0])


def _train(optimizer: torch.optim.Optimizer, point: nn.Parameter, steps: int) -> list[Tensor]:
    """Go down a bowl, and return the moves."""
    moves = []
    for _ in range(steps):
        point.grad = SCALES * point.detach()
        before = point.detach().clone()
        optimizer.step()
        moves.append(point.detach() - before)
    return moves


def test_it_is_adam_before_the_switch_and_moves_along_the_gradient_after_it() -> None:
    points = [nn.Parameter(torch.tensor([3.0, -2.0, 5.0])) for _ in range(2)]
    switching = AdamThenSgd([points[0]], 0.01, sgd_after=150, momentum=0.0)
    adam = torch.optim.Adam([points[1]], 0.01)
    for ours, theirs in zip(_train(switching, points[0], 150), _train(adam, points[1], 150), strict=True):
        assert torch.equal(ours, theirs)
    gradient = SCALES * points[0].detach()
    (move,) = _train(switching, points[0], 1)
    torch.testing.assert_close(nn.functional.cosine_similarity(-move, gradient, dim=0), torch.tensor(1.0))


def test_descent_goes_about_as_far_along_adams_moves_as_adam_went() -> None:
    point = nn.Parameter(torch.tensor([3.0, -2.0, 5.0]))
    last, first = _train(AdamThenSgd([point], 0.01, sgd_after=100, momentum=0.0), point, 101)[-2:]
    part = float(first @ last / last.norm() ** 2)
    assert 0.7 < part < 1.5  # the mean over the measured steps, in which the gradient fell


def test_a_switch_is_taken_up_again_exactly() -> None:
    whole = nn.Parameter(torch.tensor([3.0, -2.0, 5.0]))
    first = AdamThenSgd([whole], 0.01, sgd_after=8, momentum=0.9)
    _train(first, whole, 5)
    state, half = copy.deepcopy(first.state_dict()), nn.Parameter(whole.detach().clone())
    _train(first, whole, 10)
    second = AdamThenSgd([half], 0.01, sgd_after=8, momentum=0.9)
    second.load_state_dict(state)
    _train(second, half, 10)
    assert torch.equal(whole, half)
