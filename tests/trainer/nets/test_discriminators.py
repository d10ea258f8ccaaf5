"""Discriminators: shapes, parameter counts, what they see, and that the generator's step moves nothing in them."""

from __future__ import annotations

import pytest
import torch

from trainer.losses.adversarial_losses import gradient_penalty
from trainer.nets.discriminators import DISCRIMINATORS, build_discriminator, mixes_pictures, shifted

SIZES = {"dilated": 2_504_001, "unet_sn": 4_376_897, "patch": 2_763_841}


@pytest.mark.parametrize("name", sorted(DISCRIMINATORS))
def test_number_of_parameters(name: str) -> None:
    assert sum(parameter.numel() for parameter in build_discriminator(name).parameters()) == SIZES[name]


@pytest.mark.parametrize(
    ("name", "height", "width"), [("dilated", 5, 6), ("unet_sn", 40, 48), ("patch", 3, 4)], ids=lambda value: str(value)
)
def test_map_of_logits(name: str, height: int, width: int) -> None:
    assert build_discriminator(name, channels=4)(torch.rand(2, 3, 40, 48)).shape == (2, 1, height, width)


def test_dilated_sees_166_pixels() -> None:
    discriminator = build_discriminator("dilated", channels=2).eval()
    picture = torch.rand(1, 3, 240, 240, requires_grad=True)
    discriminator(picture)[0, 0, 15, 15].backward()
    assert picture.grad is not None
    rows = picture.grad.abs().sum(dim=(0, 1, 3)).nonzero()
    assert int(rows.max() - rows.min()) + 1 <= 166
    assert int(rows.max() - rows.min()) + 1 > 150  # max pooling drops some pixels at the rim


def test_only_the_dilated_one_mixes_pictures() -> None:
    assert {name for name in DISCRIMINATORS if mixes_pictures(build_discriminator(name, 4))} == {"dilated"}
    patch = build_discriminator("patch", channels=4).eval()  # spectral norms move with each use in training
    pictures = torch.rand(2, 3, 40, 40)
    torch.testing.assert_close(patch(pictures)[:1], patch(pictures[:1]))
    assert torch.isfinite(gradient_penalty(patch, pictures, pictures.flip(0), torch.rand(2, 1, 1, 1)))


def test_dropout_is_made_in_training_only() -> None:
    discriminator = build_discriminator("dilated", channels=4, dropout=0.5)
    pictures = torch.rand(2, 3, 32, 32)
    assert not torch.equal(discriminator(pictures), discriminator(pictures))
    discriminator.eval()
    assert torch.equal(discriminator(pictures), discriminator(pictures))


def test_a_shift_cuts_alike_whatever_it_is() -> None:
    pictures = torch.arange(24 * 32).view(1, 1, 24, 32)
    for down, right in ((0, 0), (7, 0), (3, 7)):
        cut = shifted(pictures, down, right)
        assert cut.shape == (1, 1, 16, 24)
        assert int(cut[0, 0, 0, 0]) == down * 32 + right
