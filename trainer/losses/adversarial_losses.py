"""Adversarial losses, from the discriminator's logits for photos and of generated pictures. Knows no training loop.

Logits are a map per picture: any shape, the same for both sides, which show the same content; more is more real.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional


class AdversarialLoss(Protocol):
    """Two opponents' losses over the same logits."""

    def for_generator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return what the generator minimises; `real` needs no gradient."""

    def for_discriminator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return what the discriminator minimises."""


@dataclass(frozen=True)
class RelativisticLogistic:
    """Each side shall look more real than the other at the same place (Jolicoeur-Martineau 2018, paired form)."""

    # Whether the generator still gains where it already looks more real than the photo. Without, such places give it
    # no gradient: nothing is won by exaggerating.
    rewards_beyond_real: bool = True

    def for_generator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return the mean of log(1 + exp(real − generated)), where wanted with the difference cut off at 0."""
        lag = real - generated
        return functional.softplus(lag if self.rewards_beyond_real else lag.relu()).mean()

    def for_discriminator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return the mean of log(1 + exp(generated − real))."""
        return functional.softplus(generated - real).mean()


@dataclass(frozen=True)
class LeastSquares:
    """Photos shall score 1, generated pictures 0 (Mao et al. 2017)."""

    def for_generator(self, real: Tensor, generated: Tensor) -> Tensor:  # noqa: ARG002 - one interface for all
        """Return half the mean of (generated − 1)²."""
        return (generated - 1).square().mean() / 2

    def for_discriminator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return half the mean of (real − 1)² + generated²."""
        return ((real - 1).square().mean() + generated.square().mean()) / 2


@dataclass(frozen=True)
class RelativisticLeastSquares:
    """Each side shall score higher than the other at the same place, by 1 (Jolicoeur-Martineau 2018, paired form)."""

    def for_generator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return half the mean of (generated − real − 1)²."""
        return (generated - real - 1).square().mean() / 2

    def for_discriminator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return half the mean of (real − generated − 1)²."""
        return (real - generated - 1).square().mean() / 2


@dataclass(frozen=True)
class Wasserstein:
    """The mean difference of scores (Arjovsky et al. 2017); the discriminator also needs `gradient_penalty`."""

    def for_generator(self, real: Tensor, generated: Tensor) -> Tensor:  # noqa: ARG002 - one interface for all
        """Return minus the mean score of the generated pictures."""
        return -generated.mean()

    def for_discriminator(self, real: Tensor, generated: Tensor) -> Tensor:
        """Return how much better generated pictures score than photos."""
        return generated.mean() - real.mean()


ADVERSARIAL_LOSSES: dict[str, AdversarialLoss] = {
    "relativistic_bounded": RelativisticLogistic(rewards_beyond_real=False),
    "relativistic": RelativisticLogistic(),
    "least_squares": LeastSquares(),
    "relativistic_least_squares": RelativisticLeastSquares(),
    "wasserstein": Wasserstein(),
}


def gradient_penalty(discriminator: nn.Module, real: Tensor, generated: Tensor, mix: Tensor) -> Tensor:
    """Return how far the discriminator's slope between photo and generated picture is from 1 (Gulrajani et al. 2017).

    Args:
        discriminator: Must treat each picture apart (no batch normalisation); a picture's score is its mean logit.
        real: (N, 3, H, W).
        generated: The same shape; no gradient flows into it.
        mix: (N, 1, 1, 1), 0…1: how much of the photo each point between the two has.

    Returns:
        Mean of (norm of the gradient − 1)².
    """
    between = (mix * real + (1 - mix) * generated).detach().requires_grad_()
    penalty: Tensor = (_slopes(discriminator, between).norm(dim=1) - 1).square().mean()
    return penalty


def r1_penalty(discriminator: nn.Module, real: Tensor) -> Tensor:
    """Return how steep the discriminator is at photos, where it shall be flat (Mescheder et al. 2018).

    Args:
        discriminator: As for `gradient_penalty`.
        real: (N, 3, H, W).

    Returns:
        Half the mean of the squared norm of the gradient.
    """
    penalty: Tensor = _slopes(discriminator, real.detach().requires_grad_()).square().sum(dim=1).mean() / 2
    return penalty


def _slopes(discriminator: nn.Module, pictures: Tensor) -> Tensor:
    """Return the gradients of the pictures' scores, (N, values)."""
    score = discriminator(pictures).flatten(1).mean(dim=1).sum()
    (slopes,) = torch.autograd.grad(score, pictures, create_graph=True)
    return slopes.flatten(1)
