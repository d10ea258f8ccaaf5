"""Every loss against a formula written independently, with numpy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer.losses.energy import energy_difference
from trainer.losses.pixel_losses import LOSSES, weighted

GENERATED = np.random.default_rng(0).random((2, 3, 12, 10))
HIGH_RES = np.random.default_rng(1).random((2, 3, 12, 10))


def _dft(pictures: np.ndarray) -> np.ndarray:
    """The discrete Fourier transform by its definition, all frequencies."""
    height, width = pictures.shape[2:]
    rows = np.exp(-2j * np.pi * np.outer(np.arange(height), np.arange(height)) / height)
    columns = np.exp(-2j * np.pi * np.outer(np.arange(width), np.arange(width)) / width)
    return np.einsum("yv,ncvw,wx->ncyx", rows, pictures, columns)


def _psnr() -> float:
    return -float(np.mean([10 * np.log10(1 / np.mean((g - h) ** 2)) for g, h in zip(GENERATED, HIGH_RES, strict=True)]))


def _spectrum() -> float:
    difference = _dft(GENERATED - HIGH_RES)[..., : 10 // 2 + 1]
    return float(np.mean([np.abs(difference.real), np.abs(difference.imag)]))


def _amplitude_phase() -> float:
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / (n - 1)) for n in (12, 10)))
    ours, theirs = (_dft(p * window)[..., : 10 // 2 + 1] / np.sqrt(120) for p in (GENERATED, HIGH_RES))
    turn = np.abs(np.angle(ours) - np.angle(theirs))
    return float(np.mean(np.abs(np.abs(ours) - np.abs(theirs))) + np.mean(np.minimum(turn, 2 * np.pi - turn))) / 2


def _rows() -> float:
    steps = [
        (GENERATED[:, :, y + 1] - GENERATED[:, :, y]) - (HIGH_RES[:, :, y + 1] - HIGH_RES[:, :, y]) for y in range(11)
    ]
    return float(np.mean(np.abs(steps)))


def _energy() -> float:
    window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / (n - 1)) for n in (12, 10)))
    logarithms = []
    for pictures in (GENERATED, HIGH_RES):
        grey = np.einsum("nchw,c->nhw", pictures, (0.299, 0.587, 0.114))
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        power = (np.abs(_dft((grey * window)[:, None]))[:, 0] ** 2 / 120).mean(axis=0)
        folded = np.array([[power[v, u] + power[-v % 12, u] for u in range(6)] for v in range(7)])
        # 7 frequencies in 6 bands: neighbours share one at their border
        bands = np.array([folded[v : v + 2].mean(axis=0) for v in range(6)])
        logarithms.append(np.log(bands + 1 / 12 / 255**2))
    return float(np.mean(np.abs(logarithms[0] - logarithms[1])))


EXPECTED = {
    "l1": lambda: float(np.abs(GENERATED - HIGH_RES).sum() / GENERATED.size),
    "mse": lambda: float(np.square(GENERATED - HIGH_RES).sum() / GENERATED.size),
    "psnr": _psnr,
    "luma": lambda: float(np.abs(np.einsum("nchw,c->nhw", GENERATED - HIGH_RES, (0.299, 0.587, 0.114))).mean()),
    "fft": _spectrum,
    "amplitude_phase": _amplitude_phase,
    "row_difference": _rows,
}


def _tensors() -> tuple[Tensor, Tensor]:
    return torch.from_numpy(GENERATED).float(), torch.from_numpy(HIGH_RES).float()


def test_every_loss_has_an_independent_formula() -> None:
    assert set(EXPECTED) == set(LOSSES)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_equals_its_formula(name: str) -> None:
    assert float(LOSSES[name](*_tensors())) == pytest.approx(EXPECTED[name](), rel=1e-4)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_loss_is_least_for_equal_pictures_and_its_gradient_is_finite_there(name: str) -> None:
    generated, high_res = _tensors()
    equal = high_res.clone().requires_grad_()
    least = LOSSES[name](equal, high_res)
    least.backward()
    assert equal.grad is not None
    assert torch.isfinite(equal.grad).all()
    assert float(least.detach()) < float(LOSSES[name](generated, high_res))


@pytest.mark.parametrize("name", sorted(LOSSES))
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_flat_patches_give_finite_gradients(name: str, level: float) -> None:
    generated = torch.full((1, 3, 16, 16), level, requires_grad=True)
    LOSSES[name](generated, torch.zeros(1, 3, 16, 16)).backward()
    assert generated.grad is not None
    assert torch.isfinite(generated.grad).all()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_descending_a_loss_brings_the_pictures_together(name: str) -> None:
    _, high_res = _tensors()
    generated = (
        high_res + 0.05 * torch.randn(high_res.shape, generator=torch.Generator().manual_seed(2))
    ).requires_grad_()
    before = float((generated - high_res).detach().abs().mean())
    optimizer = torch.optim.Adam([generated], lr=2e-3)
    for _ in range(60):
        optimizer.zero_grad()
        LOSSES[name](generated, high_res).backward()
        optimizer.step()
    assert float((generated - high_res).detach().abs().mean()) < before * 0.9


def test_energy_difference_equals_its_formula() -> None:
    assert float(energy_difference(*_tensors())) == pytest.approx(_energy(), rel=1e-4)


def test_energy_difference_of_flat_patches_has_a_finite_gradient() -> None:
    generated = torch.full((1, 3, 16, 16), 0.5, requires_grad=True)
    energy_difference(generated, torch.zeros(1, 3, 16, 16)).backward()
    assert generated.grad is not None
    assert torch.isfinite(generated.grad).all()


def test_energy_asks_how_much_detail_there_is_and_not_where() -> None:
    _, high_res = _tensors()
    loss = energy_difference
    assert float(loss(high_res.flip(2, 3), high_res)) == pytest.approx(0, abs=1e-4)
    assert float(loss(0.5 * high_res, high_res)) == pytest.approx(np.log(4), rel=1e-2)
    grid = 0.2 * (-1.0) ** torch.arange(10).float()  # a period of two pixels
    assert float(loss(high_res + grid, high_res)) > 0.1


def test_weights_are_applied_and_losses_without_weight_left_out() -> None:
    generated, high_res = _tensors()
    total, parts = weighted(generated, high_res, {"l1": 2.0, "mse": 0.0, "psnr": 0.5})
    assert set(parts) == {"l1", "psnr"}
    assert float(total) == pytest.approx(2 * EXPECTED["l1"]() + 0.5 * EXPECTED["psnr"](), rel=1e-4)
